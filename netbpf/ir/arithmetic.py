"""What operations, comparisons and sets mean, on plain numbers.

Depends on ir.program.
"""

from __future__ import annotations

from bisect import bisect_right

from netbpf.ir.program import U32, AluOp, Cmp


def compute(op: AluOp, a: int, b: int) -> int | None:
    """Return a op b in unsigned 32-bit arithmetic, None for a division by zero."""
    if op is AluOp.ADD:
        return (a + b) & U32
    if op is AluOp.SUB:
        return (a - b) & U32
    if op is AluOp.MUL:
        return (a * b) & U32
    if op is AluOp.DIV:
        return a // b if b else None
    if op is AluOp.MOD:
        return a % b if b else None
    if op is AluOp.AND:
        return a & b
    if op is AluOp.OR:
        return a | b
    if op is AluOp.XOR:
        return a ^ b
    if op is AluOp.LSH:
        return (a << b) & U32 if b < 32 else 0
    return a >> b if b < 32 else 0


def compare(op: Cmp, a: int, b: int) -> bool:
    """Return whether a op b."""
    if op is Cmp.EQ:
        return a == b
    if op is Cmp.GT:
        return a > b
    if op is Cmp.GE:
        return a >= b
    return a & b != 0


def contains(members: tuple[tuple[int, int], ...], value: int) -> bool:
    """Return whether one of the ascending, disjoint, inclusive ranges holds the value."""
    index = bisect_right(members, (value, 1 << 128)) - 1  # the last that starts at or below it
    return index >= 0 and value <= members[index][1]
