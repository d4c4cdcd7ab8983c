"""What a filter looks at in a packet: its loads, its comparisons, and how to turn them.

One `Walk` is one execution. Each value carries where in the packet it came from and how it was
computed, so that a comparison knows which bytes to write for it to come out the other way.
Works on an ir.Program and on classic instructions alike; a second interpreter of the latter, which,
unlike libpcap's, ends loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from netbpf.asm.cbpf import Insn
from netbpf.ir import arithmetic, interp
from netbpf.ir.program import (
    Alu,
    AluOp,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Load,
    Member,
    Meta,
    MetaField,
    Program,
    Reg,
    Verdict,
)

U32 = 0xFFFFFFFF
STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Wish:
    """A change to a packet, after which a comparison comes out otherwise.

    `offset` None is the packet's length on the wire. `key` says which comparison and which value.
    """

    key: tuple[object, int]
    offset: int | None
    width: int
    value: int


@dataclass(frozen=True, slots=True)
class Walk:
    """An execution: the verdict, the places (offset, width) it loaded from, and the wishes.

    `stopped`: it ended before a verdict, at a load beyond the packet or the like: no match.
    """

    matches: bool
    stopped: bool
    loads: tuple[tuple[int, int], ...]
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a value comes from: bytes of the packet, or its length; `inverse` undoes arithmetic."""

    offset: int | None
    width: int
    loaded: int
    inverse: tuple[tuple[AluOp, int], ...] = ()

    def then(self, op: AluOp, operand: int) -> _Source:
        return _Source(self.offset, self.width, self.loaded, (*self.inverse, (op, operand)))

    def wish(self, key: object, value: int) -> Wish:
        wanted = value
        for op, operand in reversed(self.inverse):
            wanted = _undo(op, operand, wanted, self.loaded)
        mask = U32 if self.offset is None else (1 << 8 * self.width) - 1
        return Wish((key, value), self.offset, self.width, wanted & mask)


def _undo(op: AluOp, operand: int, value: int, loaded: int) -> int:
    """Return an x with x op operand == value, or something near it."""
    if op is AluOp.AND:
        return (value & operand) | (loaded & ~operand & U32)
    if op is AluOp.LSH:
        return value >> operand if operand < 32 else 0
    if op is AluOp.RSH:
        return (value << operand) & U32 if operand < 32 else 0
    if op is AluOp.ADD:
        return (value - operand) & U32
    if op is AluOp.SUB:
        return (value + operand) & U32
    if op is AluOp.XOR:
        return value ^ operand
    if op is AluOp.MUL and operand:
        return value // operand
    if op is AluOp.DIV:
        return (value * operand) & U32
    return value


def _targets(op: Cmp, constant: int) -> tuple[int, ...]:
    """Return the values about a constant at which a comparison turns."""
    if op is Cmp.SET:
        bits = [1 << bit for bit in range(32) if constant >> bit & 1]
        return (0, constant, *bits[:16], ~constant & U32)
    return tuple({constant, (constant + 1) & U32, (constant - 1) & U32})


_Value = tuple[int, "_Source | None"]


class _Recorder:
    """What one execution has seen so far."""

    def __init__(self, data: bytes, length: int) -> None:
        self.data = data
        self.length = length
        self.loads: list[tuple[int, int]] = []
        self.wishes: list[Wish] = []

    def load(self, offset: int, width: int) -> _Value | None:
        """Return the value at an offset, None beyond the end."""
        if offset + width <= U32:
            self.loads.append((offset, width))
        if offset + width > len(self.data):
            return None
        value = int.from_bytes(self.data[offset : offset + width], "big")
        return value, _Source(offset, width, value)

    def wire_length(self) -> _Value:
        return self.length, _Source(None, 4, self.length)

    def compare(self, key: object, op: Cmp, a: _Value, b: _Value) -> bool:
        """Return a op b, and wish for what would make it otherwise."""
        for (_, source), (other, _) in ((a, b), (b, a)):
            if source is not None:
                self.wishes += [source.wish(key, value) for value in _targets(op, other)]
        return arithmetic.compare(op, a[0], b[0])

    def finish(self, verdict: bool | None) -> Walk:
        return Walk(verdict is True, verdict is None, tuple(self.loads), tuple(self.wishes))


def _compute(op: AluOp, a: _Value, b: _Value) -> _Value | None:
    value = arithmetic.compute(op, a[0], b[0])
    if value is None:
        return None
    if a[1] is not None:
        return value, a[1].then(op, b[0])
    if b[1] is not None and op not in (AluOp.LSH, AluOp.RSH, AluOp.DIV, AluOp.MOD):
        return value, b[1].then(op, a[0])
    return value, None


# -- classic BPF -----------------------------------------------------------------------------------

_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_ALU_OPS = {
    0x00: AluOp.ADD, 0x10: AluOp.SUB, 0x20: AluOp.MUL, 0x30: AluOp.DIV, 0x40: AluOp.OR,
    0x50: AluOp.AND, 0x60: AluOp.LSH, 0x70: AluOp.RSH, 0x90: AluOp.MOD, 0xA0: AluOp.XOR,
}  # fmt: skip
_CMP_OPS = {0x10: Cmp.EQ, 0x20: Cmp.GT, 0x30: Cmp.GE, 0x40: Cmp.SET}
_WIDTHS = {0x00: 4, 0x08: 2, 0x10: 1}


class ClassicWalker:
    """Runs classic instructions as libpcap does, except that a loop ends, as no match."""

    def __init__(self, insns: Sequence[Insn]) -> None:
        self._insns = insns

    def __call__(self, data: bytes, length: int) -> Walk:
        seen = _Recorder(data, length)
        a: _Value = (0, None)
        x: _Value = (0, None)
        memory: list[_Value] = [(0, None)] * 16
        pc = 0
        for _ in range(STEPS):
            code, jt, jf, k = self._insns[pc]
            pc += 1
            kind, source = code & 7, x if code & 8 else (k, None)
            loaded: _Value | None
            if kind == _RET:
                return seen.finish(bool(k))
            if kind in (_LD, _LDX):
                loaded = _classic_load(code, k, x, memory, seen)
                if loaded is None:
                    break
                a, x = (loaded, x) if kind == _LD else (a, loaded)
            elif kind in (_ST, _STX):
                memory[k] = a if kind == _ST else x
            elif kind == _ALU:
                if code & 0xF0 == 0x80:  # negate
                    a = (-a[0] & U32, None)
                    continue
                loaded = _compute(_ALU_OPS[code & 0xF0], a, source)
                if loaded is None:
                    break
                a = loaded
            elif kind == _JMP:
                if code & 0xF0 == 0:
                    pc += k - (1 << 32) if k >> 31 else k
                else:
                    pc += jt if seen.compare(pc, _CMP_OPS[code & 0xF0], a, source) else jf
            else:
                a, x = (x, x) if code & 0x80 else (a, a)
        return seen.finish(None)


def _classic_load(
    code: int, k: int, x: _Value, memory: list[_Value], seen: _Recorder
) -> _Value | None:
    mode = code & 0xE0
    if mode == 0x00:
        return k, None
    if mode == 0x20:
        return seen.load(k, _WIDTHS[code & 0x18])
    if mode == 0x40:
        return seen.load(x[0] + k, _WIDTHS[code & 0x18])
    if mode == 0x60:
        return memory[k]
    if mode == 0x80:
        return seen.wire_length()
    loaded = seen.load(k, 1)  # the header length of IPv4
    if loaded is None or loaded[1] is None:
        return None
    return (loaded[0] & 15) << 2, loaded[1].then(AluOp.AND, 15).then(AluOp.LSH, 2)


# -- the IR ----------------------------------------------------------------------------------------


class ProgramWalker:
    """Runs an ir.Program; the packet's metadata stay as they are by default."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._machine = interp.Machine(program)

    def __call__(self, data: bytes, length: int) -> Walk:
        seen = _Recorder(data, length)
        registers: dict[Reg, _Value] = {}
        trace = self._machine.trace(interp.Packet(data, length))
        for step in trace.steps:
            node = step.node
            if isinstance(node, (Load, Bound)):
                base = 0 if node.base is None else registers[node.base][0]
                at, width = (
                    ((base + node.offset) & U32, node.width)
                    if isinstance(node, Load)
                    else (base + node.end - 1, 1)
                )
                loaded = seen.load(at, width)
                if isinstance(node, Load) and loaded is not None:
                    registers[node.dst] = loaded
            elif isinstance(node, Alu):
                b = (node.b, None) if isinstance(node.b, int) else registers[node.b]
                result = _compute(node.op, registers[node.a], b)
                if result is not None:
                    registers[node.dst] = result
            elif isinstance(node, Copy):
                registers[node.dst] = registers[node.src]
            elif isinstance(node, Const):
                registers[node.dst] = (node.value, None)
            elif isinstance(node, Meta):
                known = node.field is MetaField.LENGTH
                registers[node.dst] = seen.wire_length() if known else (step.value or 0, None)
            elif isinstance(node, Branch):
                b = (node.b, None) if isinstance(node.b, int) else registers[node.b]
                seen.compare(step.block, node.op, registers[node.a], b)
            elif isinstance(node, Member):
                seen.wishes += _member_wishes(step.block, node, registers)
        stopped = trace.steps[-1].failed
        return seen.finish(None if stopped else trace.verdict is Verdict.MATCH)


def _member_wishes(key: object, node: Member, registers: dict[Reg, _Value]) -> Iterator[Wish]:
    """Yield wishes for the ends of the ranges of a set, word by word."""
    for low, high in (*node.members[:4], *node.members[-4:]):
        for value in {low, high, low - 1, high + 1}:
            for place, reg in enumerate(reversed(node.regs)):
                source = registers[reg][1]
                if source is not None:
                    yield source.wish((key, place), value >> 32 * place & U32)


Walker = Callable[[bytes, int], Walk]
