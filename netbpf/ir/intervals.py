"""Between which numbers a register's value lies.

Depends on ir.program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Bound,
    Const,
    Copy,
    Insn,
    Load,
    Meta,
    MetaField,
    Program,
    Reg,
)


class Interval(NamedTuple):
    """All numbers from `low` to `high`, both included."""

    low: int
    high: int

    def join(self, other: Interval) -> Interval:
        """Return the smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


ANY = Interval(0, U32)

_META = {
    MetaField.OUTBOUND: Interval(0, 1),
    MetaField.VLAN_PRESENT: Interval(0, 1),
    MetaField.VLAN_TPID: Interval(0, 0xFFFF),
    MetaField.VLAN_TCI: Interval(0, 0xFFFF),
}


def intervals(program: Program) -> dict[Reg, Interval]:
    """Return for each register an interval that holds its value wherever it is assigned.

    One pass is enough: whatever reaches a use stands before it.
    """
    found: dict[Reg, Interval] = {}
    for block in program:
        for insn in block.insns:
            if not isinstance(insn, Bound):
                value = interval_of(insn, found.__getitem__)
                before = found.get(insn.dst)
                found[insn.dst] = value if before is None else before.join(value)
    return found


def interval_of(
    insn: Const | Copy | Load | Meta | Alu, known: Callable[[Reg], Interval]
) -> Interval:
    """Return an interval that holds what an instruction assigns; `known` tells of its operands."""
    if isinstance(insn, Load):
        return Interval(0, (1 << 8 * insn.width) - 1)
    if isinstance(insn, Const):
        return Interval(insn.value, insn.value)
    if isinstance(insn, Copy):
        return known(insn.src)
    if isinstance(insn, Meta):
        return _META.get(insn.field, ANY)
    b = Interval(insn.b, insn.b) if isinstance(insn.b, int) else known(insn.b)
    return _alu(insn.op, known(insn.a), b)


def _alu(op: AluOp, a: Interval, b: Interval) -> Interval:
    """Interval arithmetic; where the exact result could wrap, anything is possible."""
    if op is AluOp.ADD:
        return _unless_wrapped(a.low + b.low, a.high + b.high)
    if op is AluOp.SUB:
        return _unless_wrapped(a.low - b.high, a.high - b.low)
    if op is AluOp.MUL:
        return _unless_wrapped(a.low * b.low, a.high * b.high)
    if op is AluOp.DIV:
        return Interval(a.low // max(b.high, 1), a.high // max(b.low, 1))
    if op is AluOp.MOD:
        return a if a.high < b.low else Interval(0, min(a.high, max(b.high, 1) - 1))
    if op is AluOp.AND:
        return Interval(0, min(a.high, b.high))
    if op is AluOp.LSH:
        if b.high >= 32:
            return Interval(0, 0) if b.low >= 32 else ANY
        return _unless_wrapped(a.low << b.low, a.high << b.high)
    if op is AluOp.RSH:
        return Interval(_shifted(a.low, b.high), _shifted(a.high, b.low))
    ones = (1 << max(a.high.bit_length(), b.high.bit_length())) - 1
    if op is AluOp.OR:
        return Interval(max(a.low, b.low), ones)
    return Interval(0, ones)


def _unless_wrapped(low: int, high: int) -> Interval:
    return Interval(low, high) if low >= 0 and high <= U32 else ANY


def _shifted(value: int, by: int) -> int:
    return value >> by if by < 32 else 0


def may_divide_by_zero(insn: Insn, known: Callable[[Reg], Interval]) -> bool:
    """Return whether an instruction could end the program by its divisor."""
    return (
        isinstance(insn, Alu)
        and insn.op in (AluOp.DIV, AluOp.MOD)
        and not isinstance(insn.b, int)
        and known(insn.b).low == 0
    )
