"""Tests narrowed to what later ones leave of them: `port 443 and tcp` asks for TCP at once.

Going backwards, a register's values are *needed* where every way to a match takes one of them. A
packet with another value comes to "no match" whichever way it goes, so a test may send it either
way: sent to where "no match" is certain, it is done sooner, and the later test asks what is known
(propagate drops it). Loads in between do not matter, for one that fails is "no match" as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from netbpf.ir.passes.gather_tests import Members, as_test, set_of
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    Block,
    Branch,
    Jump,
    Label,
    Member,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
)
from netbpf.records import replace

_FEW = 8
"""A register of which more values are needed, or are not, is not followed."""

_MOST = 32
"""How many registers are followed at once, so that no program takes quadratic time."""


def narrow_tests(program: Program) -> Program:
    """Return the program with narrower tests, itself if there are none."""
    needs: dict[Label, _Needs | None] = {}
    narrower: dict[Label, Block] = {}
    for block in reversed(program.blocks):
        tested = _tested(block)
        term = _narrowed(block.term, tested, needs)
        if term is not block.term:
            narrower[block.label] = block = replace(block, term=term)
            tested = _tested(block)
        needs[block.label] = _needed(block.term, tested, needs)
    if not narrower:
        return program
    blocks = tuple(narrower.get(block.label, block) for block in program)
    return drop_unreachable(replace(program, blocks=blocks))


class _Values(NamedTuple):
    """A few numbers, or with `all_but` all others."""

    few: frozenset[int]
    all_but: bool = False

    def complement(self) -> _Values:
        return _Values(self.few, not self.all_but)

    def meet(self, other: _Values) -> _Values:
        """Return the numbers that are in both."""
        if self.all_but and other.all_but:
            return _Values(self.few | other.few, True)
        if self.all_but:
            return _Values(other.few - self.few)
        return _Values(self.few - other.few if other.all_but else self.few & other.few)

    def join(self, other: _Values) -> _Values:
        """Return the numbers that are in either."""
        return self.complement().meet(other.complement()).complement()

    def __contains__(self, number: object) -> bool:
        return (number in self.few) is not self.all_but


_NONE = _Values(frozenset())
_ALL = _NONE.complement()

_Tested = tuple[Reg, _Values]

_Needs = Mapping[Reg, _Values]
"""What is needed at a place; registers that are not in it can have any value."""


def _needed(
    term: Terminator, tested: _Tested | None, needs: Mapping[Label, _Needs | None]
) -> _Needs | None:
    """Return what is needed where a block ends; None: nothing matches from here."""
    if isinstance(term, Return):
        return {} if term.verdict is Verdict.MATCH else None
    if isinstance(term, Jump):
        return needs[term.target]
    then, orelse = needs[term.then], needs[term.orelse]
    if tested is not None:
        then = _also(then, tested[0], tested[1])
        orelse = _also(orelse, tested[0], tested[1].complement())
    if then is None or orelse is None:
        return orelse if then is None else then
    both = {reg: values.join(orelse[reg]) for reg, values in then.items() if reg in orelse}
    return {reg: values for reg, values in both.items() if values.few and len(values.few) <= _FEW}


def _also(needs: _Needs | None, reg: Reg, values: _Values) -> _Needs | None:
    """Return the needs where the register has one of these values as well."""
    if needs is None:
        return None
    both = values.meet(needs[reg]) if reg in needs else values
    return {**needs, reg: both} if reg in needs or len(needs) < _MOST else needs


def _tested(block: Block) -> _Tested | None:
    """Return what a block tests, if it goes to `then` for a few values of one register."""
    test = set_of(block)
    if test is None or len(test[1]) > _FEW or any(low != high for low, high in test[1]):
        return None
    return test[0], _Values(frozenset(low for low, _ in test[1]))


def _narrowed(
    term: Terminator, tested: _Tested | None, needs: Mapping[Label, _Needs | None]
) -> Terminator:
    """Return the way out with the test for the fewest values, or turned around."""
    if tested is None or not isinstance(term, (Branch, Member)):
        return term
    reg, values = tested
    at_then, at_orelse = (_of(reg, needs[way]) for way in (term.then, term.orelse))
    if at_then == _NONE:
        wanted = at_orelse.few - values.few
        if at_orelse.all_but or len(wanted) > len(values.few):
            return term  # which ends sooner than what comes later would
        return _test(term, reg, wanted, term.orelse, term.then)
    left = frozenset(x for x in values.few if x in at_then or x in at_orelse)
    return term if left == values.few else _test(term, reg, left, term.then, term.orelse)


def _of(reg: Reg, needs: _Needs | None) -> _Values:
    return _NONE if needs is None else needs.get(reg, _ALL)


def _test(
    term: Branch | Member, reg: Reg, values: frozenset[int], then: Label, orelse: Label
) -> Terminator:
    if not values:
        return Jump(orelse, term.span)
    members: Members = tuple((x, x) for x in sorted(values))
    return as_test(reg, members, then, orelse, term.span)
