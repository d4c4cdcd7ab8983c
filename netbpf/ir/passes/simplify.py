"""Simpler forms of single instructions and tests, where the values of operands are known.

Used by `propagate`, which knows them.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.ir.arithmetic import compute
from netbpf.ir.expressions import Assignment
from netbpf.ir.facts import Facts
from netbpf.ir.intervals import interval_of
from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Load,
    Reg,
)
from netbpf.records import replace

_SYMMETRIC = frozenset({AluOp.ADD, AluOp.MUL, AluOp.AND, AluOp.OR, AluOp.XOR})
_NEUTRAL = {
    # a op b is a
    (AluOp.ADD, 0),
    (AluOp.SUB, 0),
    (AluOp.MUL, 1),
    (AluOp.DIV, 1),
    (AluOp.AND, U32),
    (AluOp.OR, 0),
    (AluOp.XOR, 0),
    (AluOp.LSH, 0),
    (AluOp.RSH, 0),
}


def simplify(insn: Assignment, facts: Facts) -> Assignment | None:
    """Return an instruction that assigns the same value; None: it ends with "no match"."""
    if isinstance(insn, Load):
        return _load(insn, facts)
    if isinstance(insn, Alu):
        return _alu(insn, facts)
    if isinstance(insn, Copy):
        value = facts.constant(insn.src)
        return insn if value is None else Const(insn.dst, value, insn.span)
    return insn


def _load(load: Load, facts: Facts) -> Load:
    base = facts.constant(load.base) if load.base is not None else None
    if base is None:
        return load
    return replace(load, base=None, offset=(base + load.offset) & U32)


def _alu(alu: Alu, facts: Facts) -> Assignment | None:
    a, b = facts.constant(alu.a), alu.b
    if not isinstance(b, int):
        known = facts.constant(b)
        if known is not None:
            b = known
        elif a is not None and alu.op in _SYMMETRIC:
            return _alu(replace(alu, a=b, b=a), facts)
    if not isinstance(b, int):
        return alu
    if b == 0 and alu.op in (AluOp.DIV, AluOp.MOD):
        return None
    if a is not None:
        value = compute(alu.op, a, b)
        return None if value is None else Const(alu.dst, value, alu.span)
    alu = alu if b == alu.b else replace(alu, b=b)
    low, high = interval_of(alu, facts.interval)
    if low == high:
        return Const(alu.dst, low, alu.span)
    return Copy(alu.dst, alu.a, alu.span) if (alu.op, b) in _NEUTRAL else alu


def simplify_bound(bound: Bound, facts: Facts) -> Bound | None:
    """Return an equivalent Bound; None: it ends with "no match"."""
    base = facts.constant(bound.base) if bound.base is not None else None
    if base is None:
        return bound
    end = base + bound.end
    return Bound(None, end, bound.span) if end <= U32 else None


def simplify_test(test: Branch, facts: Facts, single: Mapping[Reg, Assignment]) -> Branch:
    """Return an equivalent test, of a register that is nearer to the packet if there is one.

    `single` are the registers that have one expression.
    """
    test = _constant_right(test, facts)
    while isinstance(test.b, int):
        test = _canonical(test, test.b)
        inner = single.get(test.a)
        next_test = _see_through(test, inner) if isinstance(inner, Alu) else None
        if next_test is None:
            return test
        test = next_test
    return test


def _constant_right(test: Branch, facts: Facts) -> Branch:
    if isinstance(test.b, int):
        return test
    b = facts.constant(test.b)
    if b is not None:
        return replace(test, b=b)
    a = facts.constant(test.a)
    if a is None:
        return test
    if test.op in (Cmp.EQ, Cmp.SET):
        return replace(test, a=test.b, b=a)
    # Turned around, "above" is "not at least".
    op = Cmp.GE if test.op is Cmp.GT else Cmp.GT
    return replace(test, op=op, a=test.b, b=a, then=test.orelse, orelse=test.then)


def _canonical(test: Branch, b: int) -> Branch:
    """Ask whether a register is 0 in one way only."""
    zero = (test.op, b) in ((Cmp.GT, 0), (Cmp.GE, 1), (Cmp.SET, U32))
    return replace(test, op=Cmp.EQ, b=0, then=test.orelse, orelse=test.then) if zero else test


def _see_through(test: Branch, inner: Alu) -> Branch | None:
    """Return the test in terms of an operand of what it tests, if it can be done at once."""
    k = test.b
    assert isinstance(k, int)
    if isinstance(inner.b, int):
        return _through_constant(test, k, inner.op, inner.a, inner.b)
    if test.op is Cmp.EQ and k == 0:
        if inner.op in (AluOp.XOR, AluOp.SUB):
            return replace(test, a=inner.a, b=inner.b)
        if inner.op is AluOp.AND:
            return _swapped(test, Cmp.SET, inner.a, inner.b)
    return None


def _through_constant(test: Branch, k: int, op: AluOp, a: Reg, b: int) -> Branch | None:
    if test.op is Cmp.SET:
        return replace(test, a=a, b=k & b) if op is AluOp.AND else None
    if test.op is not Cmp.EQ:
        return None
    if op is AluOp.AND and k == 0:
        return _swapped(test, Cmp.SET, a, b)
    if op is AluOp.AND and k == b and b & (b - 1) == 0:
        return replace(test, op=Cmp.SET, a=a, b=b)
    if op in (AluOp.ADD, AluOp.SUB, AluOp.XOR):
        value = {AluOp.ADD: k - b, AluOp.SUB: k + b, AluOp.XOR: k ^ b}[op]
        return replace(test, a=a, b=value & U32)
    return None


def _swapped(test: Branch, op: Cmp, a: Reg, b: Reg | int) -> Branch:
    return replace(test, op=op, a=a, b=b, then=test.orelse, orelse=test.then)
