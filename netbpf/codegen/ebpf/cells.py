"""Where a program counts, and how it gets at the numbers of the CPU that it runs on.

    PerCpu  the kernel's per-CPU arrays: a look-up for each number; any kernel, any machine
    Flat    arrays of one value with a row for each CPU, whose address stands in the program

A look-up of the kernel's goes through a table of addresses, so that of 65,537 ports each costs two
places in memory; a row is a number's place and nothing else. All leave r0 = the address of the
number; at `none` there is none, which does not happen. Depends on asm, codegen.ebpf.stack, spec.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.asm.helpers import Helper
from netbpf.codegen.ebpf.stack import SCRATCH
from netbpf.records import dataclass
from netbpf.spec import COUNTER_ENTRY, CounterLayout, CounterTable, MapSpec
from netbpf.uapi.bpf import MapFlag, MapType

_CPU = 9
_MOST = 1 << 29  # bytes that an address may be moved by: the verifier's BPF_MAX_VAR_OFF


class Cells(ABC):
    """A way to lay numbers out."""

    @abstractmethod
    def totals_map(self, layout: CounterLayout) -> MapSpec:
        """Return the map of the totals."""

    @abstractmethod
    def table_map(self, table: CounterTable) -> MapSpec:
        """Return the map of a table whose keys are numbers."""

    @abstractmethod
    def totals(self, asm: Assembler, layout: CounterLayout, none: Label) -> None:
        """Find the totals; comes before all tables. Uses r1 to r5 and r9, as the others do."""

    @abstractmethod
    def entry(self, asm: Assembler, table: CounterTable, key: int, none: Label) -> None:
        """Find an entry of such a table; the number, of 32 bits, is on the stack at `key`."""


class PerCpu(Cells):
    """Maps of type PERCPU_ARRAY."""

    def totals_map(self, layout: CounterLayout) -> MapSpec:
        """Return a map with one entry."""
        return MapSpec(layout.totals, MapType.PERCPU_ARRAY, 4, layout.totals_size, 1)

    def table_map(self, table: CounterTable) -> MapSpec:
        """Return a map with an entry for each number."""
        return MapSpec(table.map, MapType.PERCPU_ARRAY, 4, COUNTER_ENTRY, table.capacity)

    def totals(self, asm: Assembler, layout: CounterLayout, none: Label) -> None:
        """Look them up."""
        asm.emit(ebpf.store_imm(4, FRAME_POINTER, SCRATCH, 0))
        look_up(asm, layout.totals, SCRATCH)
        asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 0, 0), none)

    def entry(self, asm: Assembler, table: CounterTable, key: int, none: Label) -> None:
        """Look it up."""
        look_up(asm, table.map, key)
        asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 0, 0), none)


@dataclass(frozen=True, slots=True)
class Flat(Cells):
    """Rows for `cpus` CPUs, numbered from 0. What is counted can be read in shared memory (5.5)."""

    cpus: int

    def fits(self, layout: CounterLayout) -> bool:
        """Whether the verifier lets addresses reach every row."""
        rows = [layout.totals_row, *(table.row for table in layout.tables if table.exact)]
        return self.cpus * max(rows) < _MOST

    def totals_map(self, layout: CounterLayout) -> MapSpec:
        """Return a map of rows."""
        return self._map(layout.totals, layout.totals_row)

    def table_map(self, table: CounterTable) -> MapSpec:
        """Return a map of rows."""
        return self._map(table.map, table.row)

    def totals(self, asm: Assembler, layout: CounterLayout, none: Label) -> None:
        """Ask which CPU this is (inlined by the kernel, 6.10), and go to its row."""
        asm.emit(ebpf.call(Helper.GET_SMP_PROCESSOR_ID))
        asm.jump_if(ebpf.jump_imm(Jmp.JGE, 0, self.cpus), none)
        asm.emit(ebpf.mov_reg(_CPU, 0))
        self._row(asm, layout.totals, layout.totals_row)

    def entry(self, asm: Assembler, table: CounterTable, key: int, none: Label) -> None:
        """Go to the entry in the row."""
        asm.emit(ebpf.mov_reg(0, _CPU))
        self._row(asm, table.map, table.row)
        asm.emit(ebpf.load(4, 1, FRAME_POINTER, key))
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 1, table.capacity - 1), none)
        asm.emit(ebpf.alu64(Alu.MUL, 1, COUNTER_ENTRY), ebpf.alu64_reg(Alu.ADD, 0, 1))

    def _map(self, name: str, row: int) -> MapSpec:
        return MapSpec(name, MapType.ARRAY, 4, self.cpus * row, 1, flags=MapFlag.MMAPABLE)

    def _row(self, asm: Assembler, name: str, row: int) -> None:
        asm.emit(ebpf.alu64(Alu.MUL, 0, row))
        asm.load_map(1, name, value=True)
        asm.emit(ebpf.alu64_reg(Alu.ADD, 0, 1))


def choose(layout: CounterLayout, cpus: int | None) -> Cells:
    """Return how to lay numbers out for `cpus` CPUs, or where that is None for any number."""
    flat = Flat(cpus) if cpus else None
    return flat if flat is not None and flat.fits(layout) else PerCpu()


def look_up(asm: Assembler, name: str, key: int) -> None:
    """r0 = the address of the value whose key is on the stack, or 0."""
    map_arguments(asm, name, key)
    asm.emit(ebpf.call(Helper.MAP_LOOKUP_ELEM))


def map_arguments(asm: Assembler, name: str, key: int) -> None:
    """r1 = the map, r2 = the address of the key."""
    asm.emit(ebpf.mov_reg(2, FRAME_POINTER), ebpf.alu64(Alu.ADD, 2, key))
    asm.load_map(1, name)
