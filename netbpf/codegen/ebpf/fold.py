"""Fold branches that lead to the same places into one: `tcp dst port 80` asks once, not thrice.

A branch that goes either to a block with a test of its own, or where that test may lead, becomes a
Decide on both. What that block computes is then computed ahead, also for packets that it was not
meant for: sound where no load fails (codegen.ebpf.eager). It saves branches that the processor
mispredicts, and costs instructions on the way that needed none; `costs` weighs the two.
Depends on ir, codegen.ebpf.costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netbpf.codegen.ebpf import costs
from netbpf.codegen.ebpf.sets import Tables, is_table
from netbpf.errors import Span
from netbpf.ir.expressions import Assignment, definitions
from netbpf.ir.formula import Bits, Every, Formula, InSet, Some, Within, every, some
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Decide,
    Insn,
    Label,
    Member,
    Meta,
    Program,
    Reg,
    Return,
    Verdict,
)
from netbpf.ir.value import membership
from netbpf.records import dataclass, replace

if TYPE_CHECKING:
    from typing import TypeGuard

_HALF = 0.5
_U16 = 0xFFFF


def fold(program: Program, tables: Tables) -> Program:
    """Return the program with fewer branches; the same verdict where none of its loads fails."""
    folder = _Folder(program, tables)
    for block in reversed(program.blocks):
        folder.take(block, first=block is program.blocks[0])
    return drop_unreachable(
        replace(program, blocks=tuple(folder.done[block.label] for block in program))
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """A block's way out as a formula, with where it leads."""

    formula: Formula
    then: Label
    orelse: Label
    span: Span | None

    def turned(self) -> _Test:
        """Return the same test with its opposite."""
        return replace(self, formula=self.formula.negated(), then=self.orelse, orelse=self.then)


class _Folder:
    """Goes backwards, so that what a block leads to has been folded before."""

    def __init__(self, program: Program, tables: Tables) -> None:
        self._tables = tables
        self.done: dict[Label, Block] = {}
        self._ways = Counter(target for block in program for target in block.targets())
        self._single, self._joins = definitions(program)
        self._ranges = intervals(program)
        self._misses = {block.label for block in program if _is_miss(block)}

    def take(self, block: Block, *, first: bool) -> None:
        """Fold into a block what it can take.

        The first test of all stays as it is where most packets fail it and so do not match: there
        is no shorter way to say so.
        """
        is_way_out = first and self._is_way_out(block)
        while not is_way_out and (folded := self._once(block)) is not None:
            block = folded
        self.done[block.label] = block

    def _is_way_out(self, block: Block) -> bool:
        """Whether more packets than not are known not to match after a block's test."""
        test = self._test(block)
        if test is None:
            return False
        likely = costs.likelihood(test.formula, self._single)
        return (test.then if likely > _HALF else test.orelse) in self._misses

    def _once(self, block: Block) -> Block | None:
        """Return the block with one or both of those that follow it in it, None if none can be."""
        test = self._test(block)
        if test is None:
            return None
        return self._both(block, test) or self._one(block, test)

    def _one(self, block: Block, test: _Test) -> Block | None:
        for way in (test, test.turned()):
            follower = self._follower(way.then)
            if follower is None:
                continue
            for inner in (follower, follower.turned()):
                if inner.orelse == way.orelse:
                    formula = self._simpler(every(way.formula, inner.formula))
                    if self._pays(test, formula, (way.then,)):
                        self._ways[way.orelse] -= 1
                        return self._merged(block, (way.then,), formula, inner)
        return None

    def _both(self, block: Block, test: _Test) -> Block | None:
        """Fold two followers that lead to the same two places."""
        then, orelse = self._follower(test.then), self._follower(test.orelse)
        if then is None or orelse is None:
            return None
        for other in (orelse, orelse.turned()):
            if (other.then, other.orelse) == (then.then, then.orelse):
                formula = _either(test.formula, then.formula, other.formula)
                if self._pays(test, formula, (test.then, test.orelse)):
                    self._ways[then.then] -= 1
                    self._ways[then.orelse] -= 1
                    return self._merged(block, (test.then, test.orelse), formula, then)
        return None

    def _pays(self, test: _Test, formula: Formula, followers: tuple[Label, ...]) -> bool:
        """Whether one test of everything is expected to cost less than one after the other."""
        likely = costs.likelihood(test.formula, self._single)
        apart = costs.alone(test.formula) + costs.branch(likely)
        together = costs.branch(costs.likelihood(formula, self._single)) + costs.formula(formula)
        ahead = costs.formula(formula) - costs.formula(test.formula)
        for label in followers:
            code, inner = costs.insns(self.done[label].insns), self._test(self.done[label])
            assert inner is not None
            reached = likely if label == test.then else 1 - likely
            then = costs.branch(costs.likelihood(inner.formula, self._single))
            apart += reached * (code + costs.alone(inner.formula) + then)
            together += code
            ahead += code
        return together < apart * costs.WORTH and ahead <= costs.MOST_AHEAD

    def _simpler(self, formula: Formula) -> Formula:
        """Leave out what a set says already: its first element is often asked for by itself."""
        if not isinstance(formula, (Every, Some)):
            return formula
        wanted = isinstance(formula, Some)
        sets = {part.reg: part for part in formula.parts if _is_set(part, wanted)}
        kept = (
            part
            for part in formula.parts
            if not isinstance(part, Bits)
            or part.holds is not wanted
            or part.reg not in sets
            or not _is_within(part, sets[part.reg], _bits(self._ranges[part.reg]))
        )
        return some(*kept) if wanted else every(*kept)

    def _merged(
        self, block: Block, followers: tuple[Label, ...], formula: Formula, inner: _Test
    ) -> Block:
        insns = [*block.insns]
        for label in followers:
            insns += self.done[label].insns
        span = block.term.span.cover(inner.span) if block.term.span and inner.span else inner.span
        then, orelse, opposite = inner.then, inner.orelse, formula.negated()
        if costs.formula(opposite) < costs.formula(formula):
            formula, then, orelse = opposite, orelse, then
        term = Decide(formula, then, orelse, span)
        return Block(block.label, tuple(insns), term)

    def _follower(self, label: Label) -> _Test | None:
        """Return the test of a block that may be computed ahead."""
        block = self.done[label]
        if self._ways[label] != 1 or not all(map(self._is_harmless, block.insns)):
            return None
        return self._test(block)

    def _is_harmless(self, insn: Insn) -> bool:
        """Whether an instruction does no harm where it is not needed."""
        if isinstance(insn, Bound):
            return True  # where it fails, the exact program decides
        if isinstance(insn, Meta) or insn.dst in self._joins:
            return False
        return not (isinstance(insn, Alu) and insn.op in (AluOp.DIV, AluOp.MOD))

    def _test(self, block: Block) -> _Test | None:
        term = block.term
        if isinstance(term, Decide):
            formula: Formula | None = term.formula
        elif isinstance(term, Branch):
            formula = _of_branch(term, self._single, self._ranges)
        elif isinstance(term, Member):
            formula = self._of_member(term)
        else:
            return None
        return None if formula is None else _Test(formula, term.then, term.orelse, term.span)

    def _of_member(self, term: Member) -> Formula | None:
        """Return a set of numbers as a formula, if that takes no branch."""
        if len(term.regs) != 1 or not term.members:
            return None
        reg = term.regs[0]
        whole = _bits(self._ranges[reg])
        if len(term.members) > costs.MOST_MEMBERS:
            straight = is_table(term) and self._tables.has_straight(term)
            fits = term.members[-1][1] > _U16 or whole <= _U16
            return InSet(reg, members=term.members) if straight and fits else None
        return some(
            *(
                Bits(reg, mask=whole, value=low) if low == high else Within(reg, low=low, high=high)
                for low, high in term.members
            )
        )


def _either(test: Formula, then: Formula, orelse: Formula) -> Formula:
    """Return "`then` if `test`, else `orelse`"."""
    if _excludes(orelse, test):
        return some(every(test, then), orelse)
    if _excludes(then, test.negated()):
        return some(then, every(test.negated(), orelse))
    return some(every(test, then), every(test.negated(), orelse))


def _excludes(formula: Formula, test: Formula) -> bool:
    """Whether a formula cannot be true together with a test: it wants another value."""
    if not isinstance(test, Bits) or not test.holds:
        return False
    if isinstance(formula, Some):
        return all(_excludes(part, test) for part in formula.parts)
    if isinstance(formula, Every):
        return any(_excludes(part, test) for part in formula.parts)
    return (
        isinstance(formula, Bits)
        and formula.holds
        and (formula.reg, formula.mask) == (test.reg, test.mask)
        and formula.value != test.value
    )


def _of_branch(
    term: Branch, single: Mapping[Reg, Assignment], ranges: Mapping[Reg, Interval]
) -> Formula | None:
    """Return a comparison with a constant as a formula."""
    if not isinstance(term.b, int):
        return None
    reg, whole = term.a, _bits(ranges[term.a])
    if term.op is Cmp.GE:
        return Within(reg, low=term.b)
    if term.op is Cmp.GT:
        return Within(reg, low=term.b + 1) if term.b < U32 else None
    if term.op is Cmp.SET:
        return Bits(reg, holds=False, mask=term.b & whole)
    made = single.get(reg)
    if isinstance(made, Alu) and made.op is AluOp.AND and isinstance(made.b, int):
        return Bits(made.a, mask=made.b, value=term.b)
    return Bits(reg, mask=whole, value=term.b)


def _is_set(part: Formula, wanted: bool) -> TypeGuard[InSet]:
    return isinstance(part, InSet) and part.holds is wanted


def _is_within(bits: Bits, found: InSet, whole: int) -> bool:
    """Whether every value for which `bits` would hold is in a set; `whole` are all bits it has."""
    largest = bits.value | whole & ~bits.mask
    return membership(bits.value, largest, found.members) is True


def _bits(interval: Interval) -> int:
    """Return all bits that a value can have."""
    return (1 << interval.high.bit_length()) - 1


def _is_miss(block: Block) -> bool:
    return isinstance(block.term, Return) and block.term.verdict is Verdict.NO_MATCH
