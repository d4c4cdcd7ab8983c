"""Use at each place what is known there: one walk over the blocks, in their order.

- An assignment to a register that is assigned on every way here is dropped, and so is a Bound that
  is proved.
- Values that can be only one become constants, and tests whose outcome is known become jumps.
- *Jump threading*: an edge that leads to a block with nothing left to do on this way but a test,
  whose outcome this way implies, goes where the test leads. This untangles `tcp or udp port 53`,
  in which every alternative asks for the same headers again.

When the walk comes to a block, all edges into it are final. So what one block lets a later one do
is used in the same walk.
"""

from __future__ import annotations

from netbpf.ir.expressions import Assignment, definitions
from netbpf.ir.extent import proof
from netbpf.ir.facts import Facts
from netbpf.ir.intervals import Interval, interval_of, intervals
from netbpf.ir.passes.simplify import simplify, simplify_bound, simplify_test
from netbpf.ir.program import (
    Block,
    Bound,
    Branch,
    Decide,
    Insn,
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

_STEPS = 16 * 1024
"""How many blocks threading may pass, and four more for each that there is: in a large program each
way can pass through most of it, which would take quadratic time."""


def propagate(program: Program) -> Program:
    """Drop what is known already; leave out the blocks that are not reached any more."""
    walk = _Walk(program)
    blocks = [done for block in program if (done := walk.block(block)) is not None]
    return replace(program, blocks=tuple(blocks))


class _Walk:
    def __init__(self, program: Program) -> None:
        self._blocks = {block.label: block for block in program}
        self._single: dict[Reg, Assignment] = definitions(program)[0]
        self._ranges: dict[Reg, Interval] = intervals(program)
        self._arriving = {program.blocks[0].label: Facts.nothing()}
        self._ends = {
            block.label for block in program if isinstance(block.term, Return) and not block.insns
        }
        self._steps = _STEPS + 4 * len(program.blocks)

    def block(self, block: Block) -> Block | None:
        """Return what is left of a block, None if nothing leads to it."""
        facts = self._arriving.pop(block.label, None)
        if facts is None:
            return None
        insns: list[Insn] = []
        for insn in block.insns:
            if _is_known(insn, facts):
                continue
            simple = (
                simplify_bound(insn, facts) if isinstance(insn, Bound) else simplify(insn, facts)
            )
            if simple is None:
                end = Return(Verdict.NO_MATCH, insn.span)
                return Block(block.label, tuple(insns), end)
            if not isinstance(simple, Bound):
                facts = facts.assign(simple.dst, interval_of(simple, facts.interval))
            elif _is_known(simple, facts):
                continue
            proved = proof(simple, self._ranges)
            if proved is not None:
                facts = facts.prove(*proved)
            insns.append(simple)
        return Block(block.label, tuple(insns), self._leave(block.term, facts))

    def _leave(self, term: Terminator, facts: Facts) -> Terminator:
        """Return a block's new way out, and let the facts arrive where it leads."""
        if isinstance(term, Return):
            return term
        if isinstance(term, Jump):
            return replace(term, target=self._arrive(term.target, facts))
        if isinstance(term, Decide):  # made when all is known that can be
            return replace(
                term, then=self._arrive(term.then, facts), orelse=self._arrive(term.orelse, facts)
            )
        if isinstance(term, Branch):
            term = simplify_test(term, facts, self._single)
        outcome = facts.decide(term)
        if outcome is not None:
            target = term.then if outcome else term.orelse
            return Jump(self._arrive(target, facts), term.span)
        then, met = self._thread(term.then, self._learned(term, True, facts))
        orelse, failed = self._thread(term.orelse, self._learned(term, False, facts))
        if then == orelse:
            return Jump(self._arrive(then, facts), term.span)
        self._meet(then, met)
        self._meet(orelse, failed)
        return replace(term, then=then, orelse=orelse)

    def _learned(self, term: Branch | Member, holds: bool, facts: Facts) -> Facts:
        """Return the facts after a test, but none more where they would be of no use."""
        target = term.then if holds else term.orelse
        return facts if target in self._ends else facts.learn(term, holds)

    def _arrive(self, target: Label, facts: Facts) -> Label:
        target, facts = self._thread(target, facts)
        self._meet(target, facts)
        return target

    def _meet(self, target: Label, facts: Facts) -> None:
        before = self._arriving.get(target)
        if before is None:
            self._arriving[target] = facts
        elif target not in self._ends:
            self._arriving[target] = before.merge(facts)

    def _thread(self, target: Label, facts: Facts) -> tuple[Label, Facts]:
        """Return the block that an edge to `target` can go to at once, and what is known there."""
        while self._steps > 0:
            block = self._blocks[target]
            onward = self._onward(block, facts)
            if onward is None:
                break
            self._steps -= 1
            target = onward
        return target, facts

    def _onward(self, block: Block, facts: Facts) -> Label | None:
        """Return where a block leads that has nothing to do, None if it has."""
        if isinstance(block.term, (Return, Decide)) or not all(
            _is_known(i, facts) for i in block.insns
        ):
            return None
        if isinstance(block.term, Jump):
            return block.term.target
        test: Branch | Member = block.term
        if isinstance(test, Branch):
            test = simplify_test(test, facts, self._single)
        outcome = facts.decide(test)
        if outcome is None:
            return None
        return test.then if outcome else test.orelse


def _is_known(insn: Insn, facts: Facts) -> bool:
    """Return whether an instruction adds nothing: its register is assigned, its extent proved."""
    if isinstance(insn, Bound):
        return facts.end(insn.base) >= insn.end
    return facts.value(insn.dst) is not None
