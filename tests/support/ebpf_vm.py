"""Run a ProgramSpec on a packet without a kernel, more strictly than a kernel would.

Every access must lie within a known region, a register that a call destroyed must not be read,
and LD_ABS must not be asked for ancillary data. Packets may be paged: the linear part is shorter
than the whole. Maps are dictionaries; their values lie in memory like everything else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netbpf.asm.ebpf import Alu, Class, Insn, Jmp, Mode, PseudoCall, Size, is_wide
from netbpf.asm.helpers import Helper
from netbpf.btf.skb import SkBuff
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapType, ProgType, PseudoSrc

U64 = (1 << 64) - 1
U32 = (1 << 32) - 1
CTX, PACKET, STACK, VALUES = 0x1000_0000, 0x2000_0000, 0x3000_0200, 0x4000_0000
BUFFER = 0x3800_0000
BUFF = SkBuff(cast=99, len=8, data_len=20, data=32)
"""The struct sk_buff of this machine."""

WIDTH = {Size.B: 1, Size.H: 2, Size.W: 4, Size.DW: 8}
MOST_STEPS = 100_000


@dataclass
class Skb:
    """What __sk_buff says beside the bytes. `vlan` is the stripped tag as (TPID, TCI)."""

    ifindex: int = 0
    pkt_type: int = 0
    vlan: tuple[int, int] | None = None


@dataclass
class LiveMap:
    """A map's entries: key to the address of its value."""

    spec: MapSpec
    addresses: dict[bytes, int] = field(default_factory=dict)


class Left(Exception):  # noqa: N818 - no error: the program has ended
    """The program ended by itself outside the packet."""


class Vm:
    """A program and its maps; counters add up from run to run."""

    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec
        self.cpu = 0  # that programs run on
        self._map_at = dict(spec.map_refs)
        self._memory: dict[int, bytearray] = {}
        self._next_value = VALUES
        self.maps = {m.name: LiveMap(m) for m in spec.maps}
        for live in self.maps.values():
            for key, value in live.spec.init:
                live.addresses[key] = self._place(value)

    def run(self, data: bytes, *, linear: int | None = None, skb: Skb | None = None) -> int:
        """Return the program's result, unsigned 32 bits."""
        run = _Run(self, data, len(data) if linear is None else linear, skb or Skb())
        try:
            return run.execute() & U32
        except Left:
            return 0

    def value(self, name: str, key: bytes) -> bytes | None:
        """Return a map's value."""
        live = self.maps[name]
        address = self.look_up(live, key)
        return bytes(self._memory[address]) if address else None

    def look_up(self, live: LiveMap, key: bytes) -> int:
        """Return the address of a value, or 0. Arrays are born with zeros in them."""
        if key in live.addresses:
            return live.addresses[key]
        is_array = live.spec.type in (MapType.ARRAY, MapType.PERCPU_ARRAY)
        if is_array and int.from_bytes(key, sys.byteorder) < live.spec.max_entries:
            live.addresses[key] = self._place(bytes(live.spec.value_size))
            return live.addresses[key]
        return 0

    def insert(self, live: LiveMap, key: bytes, value: bytes, flags: int) -> int:
        """BPF_MAP_UPDATE_ELEM with BPF_NOEXIST: 0, or -EEXIST."""
        assert flags == 1
        if key in live.addresses:
            return -17 & U64
        live.addresses[key] = self._place(value)
        return 0

    def _place(self, content: bytes) -> int:
        address = self._next_value
        self._memory[address] = bytearray(content)
        self._next_value += (len(content) + 63) // 64 * 64 + 64
        return address

    @property
    def values(self) -> Mapping[int, bytearray]:
        """All map values by address."""
        return self._memory


class _Run:
    """One execution."""

    def __init__(self, vm: Vm, data: bytes, linear: int, skb: Skb) -> None:
        self._vm = vm
        self._data = data
        self._linear = data[:linear]
        self._stack = bytearray(512)
        self._written = bytearray(512)  # which bytes of the stack have been
        self._context = _context(vm.spec.type, data, linear, skb)
        self._buffer = _buffer(data, linear)
        self._regs: list[int | None] = [None] * 11
        self._regs[1], self._regs[10] = CTX, STACK

    def execute(self) -> int:
        insns, at = self._vm.spec.insns, 0
        for _ in range(MOST_STEPS):
            insn = insns[at]
            kind = Class(insn.code & 7)
            if insn.code == Class.JMP | Jmp.EXIT:
                return self._get(0)
            if kind in (Class.JMP, Class.JMP32) and insn.code & 0xF0 != Jmp.CALL:
                at += insn.off if self._jumps(insn) else 0
            elif is_wide(insn):
                self._wide(insn, insns[at + 1], at)
                at += 1
            else:
                self._step(insn, kind)
            at += 1
        raise AssertionError("the program does not end")

    def _step(self, insn: Insn, kind: Class) -> None:
        if kind in (Class.ALU, Class.ALU64):
            self._regs[insn.dst] = self._arithmetic(insn, kind is Class.ALU64)
        elif kind is Class.LDX:
            width = WIDTH[Size(insn.code & 0x18)]
            self._regs[insn.dst] = self._read(self._get(insn.src) + insn.off, width)
        elif kind in (Class.ST, Class.STX):
            width = WIDTH[Size(insn.code & 0x18)]
            value = self._get(insn.src) if kind is Class.STX else insn.imm
            content = (value & (1 << 8 * width) - 1).to_bytes(width, sys.byteorder)
            self._write(self._get(insn.dst) + insn.off, content)
        elif kind is Class.JMP:
            cast = insn.src == PseudoCall.KFUNC
            self._call(self._cast(insn.imm) if cast else self._helper(Helper(insn.imm)))
        else:
            self._packet_load(insn)

    def _get(self, number: int) -> int:
        value = self._regs[number]
        assert value is not None, f"r{number} has no value"
        return value

    def _arithmetic(self, insn: Insn, wide: bool) -> int:
        op, bits = Alu(insn.code & 0xF0), 64 if wide else 32
        mask = (1 << bits) - 1
        if op is Alu.END:
            assert insn.code & 8
            assert not wide
            count = insn.imm // 8
            low = self._get(insn.dst) & (1 << insn.imm) - 1
            return int.from_bytes(low.to_bytes(count, sys.byteorder), "big")
        b = (self._get(insn.src) if insn.code & 8 else insn.imm) & mask
        if op is Alu.MOV:
            return b
        a = self._get(insn.dst) & mask
        return _OPERATIONS[op](a, b, bits) & mask

    def _jumps(self, insn: Insn) -> bool:
        op = Jmp(insn.code & 0xF0)
        if op is Jmp.JA:
            return True
        mask = U64 if insn.code & 7 == Class.JMP else U32
        a = self._get(insn.dst) & mask
        b = (self._get(insn.src) if insn.code & 8 else insn.imm) & mask
        if op in _SIGNED:
            bits = mask.bit_length()
            return _COMPARISONS[_SIGNED[op]](_signed(a, bits), _signed(b, bits))
        return _COMPARISONS[op](a, b)

    def _wide(self, insn: Insn, following: Insn, at: int) -> None:
        if insn.src == 0:
            self._regs[insn.dst] = (following.imm & U32) << 32 | insn.imm & U32
            return
        live = self._vm.maps[self._vm._map_at[at]]
        if insn.src == PseudoSrc.MAP_FD:
            self._regs[insn.dst] = id(live)
        else:
            self._regs[insn.dst] = self._vm.look_up(live, bytes(4)) + following.imm

    def _call(self, result: int) -> None:
        self._regs[1:6] = [None] * 5
        self._regs[0] = result & U64

    def _cast(self, function: int) -> int:
        assert (function, self._get(1)) == (BUFF.cast, CTX)
        return BUFFER

    def _helper(self, helper: Helper) -> int:
        if helper is Helper.GET_SMP_PROCESSOR_ID:
            return self._vm.cpu
        if helper is Helper.XDP_GET_BUFF_LEN:
            assert self._get(1) == CTX
            return len(self._data)
        if helper in (Helper.SKB_LOAD_BYTES, Helper.XDP_LOAD_BYTES):
            assert self._get(1) == CTX
            offset, width = self._get(2) & U32, self._get(4)
            if offset + width > len(self._data) or offset > 0x7FFFFFFF:
                return -14
            self._write(self._get(3), self._data[offset : offset + width])
            return 0
        live = next(live for live in self._vm.maps.values() if id(live) == self._get(1))
        key = self._bytes(self._get(2), live.spec.key_size)
        if helper is Helper.MAP_LOOKUP_ELEM:
            return self._vm.look_up(live, key)
        value = self._bytes(self._get(3), live.spec.value_size)
        return self._vm.insert(live, key, value, self._get(4))

    def _packet_load(self, insn: Insn) -> None:
        assert self._get(6) == CTX
        assert self._vm.spec.type is not ProgType.XDP
        indirect = insn.code & 0xE0 == Mode.IND
        offset = ((self._get(insn.src) if indirect else 0) + insn.imm) & U32
        width = WIDTH[Size(insn.code & 0x18)]
        assert offset < 0x80000000, "ancillary data"
        if offset + width > len(self._data):
            raise Left
        self._regs[1:6] = [None] * 5
        self._regs[0] = int.from_bytes(self._data[offset : offset + width], "big")

    def _read(self, address: int, width: int) -> int:
        if CTX <= address < CTX + 256:
            assert width == 4
            return self._context[address - CTX]
        return int.from_bytes(self._bytes(address, width), sys.byteorder)

    def _bytes(self, address: int, width: int) -> bytes:
        for start, region in self._regions():
            if start <= address and address + width <= start + len(region):
                if region is self._stack:
                    at = address - start
                    assert all(self._written[at : at + width]), "reads the stack before writing it"
                return bytes(region[address - start : address - start + width])
        raise AssertionError(f"reads {width} bytes at {address:#x}")

    def _write(self, address: int, content: bytes) -> None:
        for start, region in self._regions():
            if start <= address and address + len(content) <= start + len(region):
                assert isinstance(region, bytearray), "writes to the packet"
                at = address - start
                region[at : at + len(content)] = content
                if region is self._stack:
                    self._written[at : at + len(content)] = b"\1" * len(content)
                return
        raise AssertionError(f"writes {len(content)} bytes at {address:#x}")

    def _regions(self) -> list[tuple[int, bytes | bytearray]]:
        return [
            (PACKET, self._linear),
            (BUFFER, self._buffer),
            (STACK - 512, self._stack),
            *self._vm.values.items(),
        ]


_LAST_QUEUE = 0xFFFF  # a queue's number has 16 bits


def _context(kind: ProgType, data: bytes, linear: int, skb: Skb) -> dict[int, int]:
    """Return the context by offset: u32 fields, of which the kernel makes 64-bit addresses."""
    if kind is ProgType.XDP:
        return {0: PACKET, 4: PACKET + linear, 12: skb.ifindex, 16: _LAST_QUEUE}
    tpid, tci = skb.vlan or (0, 0)
    wire_tpid = int.from_bytes(tpid.to_bytes(2, "big"), sys.byteorder)
    fields = {0: len(data), 4: skb.pkt_type, 20: int(skb.vlan is not None), 24: tci, 28: wire_tpid}
    fields |= {12: _LAST_QUEUE, 40: skb.ifindex}
    if kind is ProgType.SCHED_CLS:
        fields |= {76: PACKET, 80: PACKET + linear}
    return fields


def _buffer(data: bytes, linear: int) -> bytes:
    """Return a struct sk_buff: u32 fields, and an address."""
    content = bytearray(b"\xa5" * (BUFF.data + 8))
    fields = {BUFF.len: len(data), BUFF.data_len: len(data) - linear}
    for at, value in fields.items():
        content[at : at + 4] = value.to_bytes(4, sys.byteorder)
    content[BUFF.data :] = PACKET.to_bytes(8, sys.byteorder)
    return bytes(content)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


_OPERATIONS: dict[Alu, Callable[[int, int, int], int]] = {
    Alu.ADD: lambda a, b, _: a + b,
    Alu.SUB: lambda a, b, _: a - b,
    Alu.MUL: lambda a, b, _: a * b,
    Alu.DIV: lambda a, b, _: a // b if b else 0,
    Alu.MOD: lambda a, b, _: a % b if b else a,
    Alu.AND: lambda a, b, _: a & b,
    Alu.OR: lambda a, b, _: a | b,
    Alu.XOR: lambda a, b, _: a ^ b,
    Alu.LSH: lambda a, b, bits: a << (b & bits - 1),
    Alu.RSH: lambda a, b, bits: a >> (b & bits - 1),
    Alu.ARSH: lambda a, b, bits: _signed(a, bits) >> (b & bits - 1),
}

_COMPARISONS: dict[Jmp, Callable[[int, int], bool]] = {
    Jmp.JEQ: lambda a, b: a == b,
    Jmp.JNE: lambda a, b: a != b,
    Jmp.JGT: lambda a, b: a > b,
    Jmp.JGE: lambda a, b: a >= b,
    Jmp.JLT: lambda a, b: a < b,
    Jmp.JLE: lambda a, b: a <= b,
    Jmp.JSET: lambda a, b: a & b != 0,
}

_SIGNED = {Jmp.JSGT: Jmp.JGT, Jmp.JSGE: Jmp.JGE, Jmp.JSLT: Jmp.JLT, Jmp.JSLE: Jmp.JLE}
