"""The code that counts: totals and tables, each CPU its own, behind the verdict.

    totals   packets, bytes, dropped, then entries created per hash table
    port, sport, proto   by number; the last index is for packets that have none
    src, dst, flow       LRU_PERCPU_HASH; all-zero for packets that have none

Values are u64 in host byte order; codegen.ebpf.cells has where those are that numbers lead to. A
hash table's evictions are the entries created less those there: so each creation is counted, and
two CPUs that create one entry together count it once.
Depends on asm, spec, codegen.ebpf.cells, codegen.ebpf.stack, the hook.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.asm.helpers import Helper
from netbpf.codegen.ebpf.cells import Cells, look_up, map_arguments
from netbpf.codegen.ebpf.stack import VALUE, Frame
from netbpf.codegen.hooks.hook import Hook
from netbpf.ir.program import MetaField
from netbpf.spec import COUNTER_ENTRY, COUNTER_TOTALS, CounterLayout, CounterTable, Key, MapSpec
from netbpf.uapi.bpf import MapType, UpdateFlag

TOTALS = "totals"
KEY_WORDS = {Key.PORT: 1, Key.SPORT: 1, Key.PROTO: 1, Key.SRC: 5, Key.DST: 5, Key.FLOW: 10}
"""The 32-bit words of a key, in host byte order."""

_EXACT = {Key.PORT: 65537, Key.SPORT: 65537, Key.PROTO: 257}  # all numbers, and "none"
_PACKETS, _BYTES, _DROPPED = 0, 8, 16  # offsets in the totals; the first two in an entry, too
_CREATED = 8 * COUNTER_TOTALS
_TOTALS_POINTER = 7
_LENGTH = 8


def layout(keys: Sequence[Key], capacity: int) -> CounterLayout:
    """Return where a program with these tables counts; hash tables have room for `capacity`."""
    tables = (
        CounterTable(key, key.value, _EXACT.get(key, capacity), exact=key in _EXACT) for key in keys
    )
    return CounterLayout(TOTALS, tuple(tables))


def maps(counters: CounterLayout, cells: Cells) -> tuple[MapSpec, ...]:
    """Return the maps of a layout."""
    tables = (cells.table_map(t) if t.exact else _hash_map(t) for t in counters.tables)
    return (cells.totals_map(counters), *tables)


def set_no_key(asm: Assembler, table: CounterTable, at: int) -> None:
    """Write to the stack, at `at`, the key of packets that have none."""
    if table.exact:
        asm.emit(ebpf.store_imm(4, FRAME_POINTER, at, table.capacity - 1))
    else:
        for index in range(KEY_WORDS[table.key]):
            asm.emit(ebpf.store_imm(4, FRAME_POINTER, at + 4 * index, 0))


def count_match(
    asm: Assembler,
    hook: Hook,
    counters: CounterLayout,
    cells: Cells,
    frame: Frame,
    *,
    dropped: bool,
) -> None:
    """Count a packet that matches, whose keys are on the stack."""
    done = asm.label()
    asm.emit(*hook.meta[MetaField.LENGTH](_LENGTH))
    cells.totals(asm, counters, done)
    asm.emit(ebpf.mov_reg(_TOTALS_POINTER, 0))
    _add_packet(asm, 0)
    if dropped:
        _add_one(asm, 0, _DROPPED)
    for index, table in enumerate(counters.tables):
        if table.exact:
            _count_in_array(asm, cells, table, frame.key(index))
        else:
            _count_in_hash(asm, table, frame.key(index), _CREATED + 8 * index)
    asm.place(done)


def count_dropped(asm: Assembler, counters: CounterLayout, cells: Cells) -> None:
    """Count a packet that is dropped because it does not match."""
    done = asm.label()
    cells.totals(asm, counters, done)
    _add_one(asm, 0, _DROPPED)
    asm.place(done)


def _hash_map(table: CounterTable) -> MapSpec:
    key_size = 4 * KEY_WORDS[table.key]
    return MapSpec(table.map, MapType.LRU_PERCPU_HASH, key_size, COUNTER_ENTRY, table.capacity)


def _count_in_array(asm: Assembler, cells: Cells, table: CounterTable, key: int) -> None:
    out_of_range = asm.label()
    cells.entry(asm, table, key, out_of_range)
    _add_packet(asm, 0)
    asm.place(out_of_range)


def _count_in_hash(asm: Assembler, table: CounterTable, key: int, created: int) -> None:
    """Add to the entry, or create it; another CPU may just have done so."""
    add, done = asm.label(), asm.label()
    look_up(asm, table.map, key)
    asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), add)
    asm.emit(
        ebpf.store_imm(8, FRAME_POINTER, VALUE + _PACKETS, 1),
        ebpf.store(8, FRAME_POINTER, VALUE + _BYTES, _LENGTH),
    )
    map_arguments(asm, table.map, key)
    asm.emit(ebpf.mov_reg(3, FRAME_POINTER), ebpf.alu64(Alu.ADD, 3, VALUE))
    asm.emit(ebpf.mov(4, UpdateFlag.NOEXIST), ebpf.call(Helper.MAP_UPDATE_ELEM))
    failed = asm.label()
    asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), failed)
    _add_one(asm, _TOTALS_POINTER, created)
    asm.jump(done)
    asm.place(failed)
    look_up(asm, table.map, key)
    asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 0, 0), done)
    asm.place(add)
    _add_packet(asm, 0)
    asm.place(done)


def _add_packet(asm: Assembler, base: int) -> None:
    _add_one(asm, base, _PACKETS)
    asm.emit(ebpf.load(8, 1, base, _BYTES), ebpf.alu64_reg(Alu.ADD, 1, _LENGTH))
    asm.emit(ebpf.store(8, base, _BYTES, 1))


def _add_one(asm: Assembler, base: int, offset: int) -> None:
    asm.emit(ebpf.load(8, 1, base, offset), ebpf.alu64(Alu.ADD, 1, 1))
    asm.emit(ebpf.store(8, base, offset, 1))
