"""Compute formulas without a branch: as a number that is 0 iff the formula is true.

    (reg & mask) == value    (reg & mask) ^ value
    low <= reg <= high       1 less the sign of (reg - low) - (high - low + 1)
    the opposite             1 iff the number is 0: the sign of number - 1
    a and b                  a | b
    a or b                   a * b, where 64 bits hold every product

    in a set                 as its table has it (codegen.ebpf.sets)

Steps are Wide nodes, 64-bit arithmetic, and Find nodes, on values of their own, which the register
allocator sees like any others.
Depends on ir.formula, codegen.ebpf.byteorder.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.asm.ebpf import Alu
from netbpf.codegen.ebpf.byteorder import swap
from netbpf.errors import Span
from netbpf.ir.formula import Bits, Every, Formula, InSet, Some, Within
from netbpf.ir.intervals import Interval
from netbpf.ir.program import Label, Member, Reg
from netbpf.records import dataclass

_SIGN = 63
_WORD = 64
_VALUE = 32
_LARGEST = 0x7FFFFFFF  # constant that 64-bit arithmetic does not take for a negative number


@dataclass(frozen=True, slots=True)
class Wide:
    """dst = a op b; in 64 bits, or in 32 where it is `short`. Constants have 32 bits, unsigned."""

    dst: Reg
    op: Alu
    a: Reg | int
    b: Reg | int
    short: bool
    span: Span | None


@dataclass(frozen=True, slots=True)
class Find:
    """dst = a number of 32 bits that is 0 iff the value is in the set of `member`."""

    dst: Reg
    member: Member
    span: Span | None


class Zeros:
    """Makes numbers, in registers with names of their own.

    `order` are the registers in network byte order, with their width in bytes.
    """

    def __init__(self, ranges: Mapping[Reg, Interval], order: Mapping[Reg, int]) -> None:
        self._ranges = ranges
        self._order = order
        self._nodes: list[Wide | Find] = []
        self._count = 0
        self._span: Span | None = None

    def nodes(self, formula: Formula, span: Span | None) -> tuple[list[Wide | Find], Reg]:
        """Return the steps, and the register of the number that is 0 iff the formula is true."""
        self._nodes, self._span = [], span
        reg, _ = self._number(formula)
        return self._nodes, reg

    def _number(self, formula: Formula) -> tuple[Reg, int]:
        """Return a register, and how many bits its value has."""
        if isinstance(formula, Every):
            return self._every(formula)
        if isinstance(formula, Some):
            return self._some(formula)
        if isinstance(formula, Within):
            return self._within(formula)
        if isinstance(formula, InSet):
            reg, bits = self._find(formula), _VALUE
        else:
            reg, bits = self._differs(formula)
        return (reg, bits) if formula.holds else (self._is_zero(reg), 1)

    def _every(self, formula: Every) -> tuple[Reg, int]:
        reg, bits = self._number(formula.parts[0])
        for part in formula.parts[1:]:
            other, more = self._number(part)
            reg, bits = self._wide(Alu.OR, reg, other), max(bits, more)
        return reg, bits

    def _some(self, formula: Some) -> tuple[Reg, int]:
        reg, bits = self._number(formula.parts[0])
        for part in formula.parts[1:]:
            if bits > _WORD // 2:
                reg, bits = self._is_not_zero(reg, bits), 1
            other, more = self._number(part)
            if bits + more > _WORD:
                other, more = self._is_not_zero(other, more), 1
            reg, bits = self._wide(Alu.MUL, reg, other), bits + more
        return reg, bits

    def _differs(self, leaf: Bits) -> tuple[Reg, int]:
        mask, value, reg = leaf.mask, leaf.value, leaf.reg
        partial = self._ranges[reg].high & ~mask
        if reg in self._order:
            mask, value = swap(mask, self._order[reg]), swap(value, self._order[reg])
        if partial:
            reg = self._wide(Alu.AND, reg, mask, short=True)
        if value:
            reg = self._wide(Alu.XOR, reg, value, short=True)
        return reg, (mask | value).bit_length()

    def _within(self, leaf: Within) -> tuple[Reg, int]:
        """Subtract so that what is below wraps to above; then ask for a sign."""
        reg, size = leaf.reg, leaf.high - leaf.low
        if leaf.low:
            reg = self._wide(Alu.SUB, reg, leaf.low, short=True)
        if size >= _LARGEST:
            reg = self._wide(Alu.RSH, self._wide(Alu.SUB, size, reg), _SIGN)
            inside = False
        else:
            reg = self._wide(Alu.RSH, self._wide(Alu.SUB, reg, size + 1), _SIGN)
            inside = True
        return (self._wide(Alu.XOR, reg, 1) if inside is leaf.holds else reg), 1

    def _find(self, leaf: InSet) -> Reg:
        member = Member((leaf.reg,), leaf.members, Label(""), Label(""), self._span)
        dst = self._name()
        self._nodes.append(Find(dst, member, self._span))
        return dst

    def _is_zero(self, reg: Reg) -> Reg:
        """Return 1 iff a number below 2^63 is 0, else 0."""
        return self._wide(Alu.RSH, self._wide(Alu.SUB, reg, 1), _SIGN)

    def _is_not_zero(self, reg: Reg, bits: int) -> Reg:
        """Return 0 iff a number is 0, else 1."""
        if bits == _WORD:  # the sign must be free
            low = self._wide(Alu.AND, reg, 1)
            reg = self._wide(Alu.OR, self._wide(Alu.RSH, reg, 1), low)
        return self._is_zero(self._is_zero(reg))

    def _wide(self, op: Alu, a: Reg | int, b: Reg | int, *, short: bool = False) -> Reg:
        dst = self._name()
        self._nodes.append(Wide(dst, op, a, b, short, self._span))
        return dst

    def _name(self) -> Reg:
        self._count += 1
        return Reg(f"zero.{self._count}")
