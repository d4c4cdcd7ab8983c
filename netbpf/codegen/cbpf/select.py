"""Instructions for the blocks of a program.

An assignment is not translated where it stands, but where its value is wanted; only registers with
a word of M[] are computed and stored at once. What can end the program with "no match" is an
*obligation* of its block: at the block's end it has been executed, or something before it or
(ir.extent) surely after it proves the same.
Depends on asm.cbpf, ir, and codegen.cbpf.{layout, slots, values, evaluate}.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm.cbpf import Op
from netbpf.codegen.cbpf.evaluate import OUTGOING, Evaluator, State, Uses, meet
from netbpf.codegen.cbpf.layout import Code, Goto, Test
from netbpf.codegen.cbpf.slots import Slots
from netbpf.codegen.cbpf.values import Values
from netbpf.errors import IrError
from netbpf.ir.arithmetic import compare
from netbpf.ir.extent import Extents, proof
from netbpf.ir.intervals import may_divide_by_zero
from netbpf.ir.program import (
    Block,
    Bound,
    Branch,
    Cmp,
    Decide,
    Insn,
    Jump,
    Label,
    Load,
    Member,
    Meta,
    MetaField,
    Return,
    Terminator,
    Verdict,
)

MATCH = Label("return match")  # with a space: no block has this name
NO_MATCH = Label("return no match")

_JUMPS = {
    # comparison: A with k, A with X
    Cmp.EQ: (Op.JEQ_K, Op.JEQ_X),
    Cmp.GT: (Op.JGT_K, Op.JGT_X),
    Cmp.GE: (Op.JGE_K, Op.JGE_X),
    Cmp.SET: (Op.JSET_K, Op.JSET_X),
}


def select(blocks: Sequence[Block], values: Values, slots: Slots) -> tuple[list[Code], Uses]:
    """Return each block's code, and what it does with the registers. Raises NoWordLeftError."""
    arriving: dict[Label, list[State]] = {blocks[0].label: [State()]}
    done: list[tuple[Evaluator, Code]] = []
    uses = Uses()
    for block in blocks:
        state = meet(arriving.pop(block.label))
        evaluator = Evaluator(values, slots, slots.free[block.label], state)
        obligations = _Obligations(values, values.needed[block.label])
        for insn in block.insns:
            if not isinstance(insn, Bound) and insn.dst in slots.words:
                evaluator.keep(insn)
            else:
                obligations.add(insn)
        evaluator = obligations.meet(evaluator, block.term)
        end = _end(block.term, evaluator, values)
        done.append((evaluator, Code(block.label, tuple(evaluator.body), end)))
        uses.add(evaluator.uses)
        leaving = evaluator.state()
        for target in block.targets():
            arriving.setdefault(target, []).append(leaving)
    return [_without_unread(code, evaluator, uses) for evaluator, code in done], uses


def _without_unread(code: Code, evaluator: Evaluator, uses: Uses) -> Code:
    """Drop the stores of what is never read from its word, as A or X still held it."""
    unread = {at for at, reg in evaluator.stores.items() if reg not in uses.remembered}
    if not unread:
        return code
    kept = tuple(pair for at, pair in enumerate(code.body) if at not in unread)
    return Code(code.label, kept, code.end)


class _Obligations:
    """What a block must not leave without: loads, bounds, and divisions that may be by zero."""

    def __init__(self, values: Values, needed: Extents | None) -> None:
        self._values = values
        self._needed = needed
        self._open: list[Insn] = []

    def add(self, insn: Insn) -> None:
        """Take on an instruction, if it can end the program and nothing behind the block does."""
        known = self._values.ranges.__getitem__
        if not isinstance(insn, (Load, Bound)) and not may_divide_by_zero(insn, known):
            return
        if self._needed is not None and not self._proved(insn, self._needed):
            self._open.append(insn)

    def meet(self, evaluator: Evaluator, term: Terminator) -> Evaluator:
        """Return an evaluator that has met all of them once it computes the terminator's operands.

        What these do not meet has to come before them. Should that change how they are computed,
        so that they meet less, everything comes before them.
        """
        if not self._open:
            return evaluator
        farthest_first = sorted(self._open, key=self._end, reverse=True)
        left = self._left(farthest_first, evaluator, term)
        if left:
            eager = evaluator.clone()
            self._execute(left, eager)
            if self._left(farthest_first, eager, term):
                self._execute(farthest_first, evaluator)
            else:
                evaluator = eager
        return evaluator

    def _left(self, insns: list[Insn], evaluator: Evaluator, term: Terminator) -> list[Insn]:
        """Return what the terminator's operands would leave unmet."""
        trial = evaluator.clone()
        _operands(term, trial)
        return [insn for insn in insns if not self._is_met(insn, trial)]

    def _execute(self, insns: list[Insn], evaluator: Evaluator) -> None:
        for insn in insns:
            if self._is_met(insn, evaluator):
                continue
            if isinstance(insn, Bound):
                evaluator.probe(insn)
            else:
                evaluator.compute(insn)

    def _end(self, insn: Insn) -> int:
        extent = proof(insn, self._values.ranges)
        return extent[1] if extent else 0

    def _is_met(self, insn: Insn, evaluator: Evaluator) -> bool:
        return self._proved(insn, evaluator.proved) or (
            not isinstance(insn, Bound) and insn.dst in evaluator.done
        )

    def _proved(self, insn: Insn, extents: Extents) -> bool:
        extent = proof(insn, self._values.ranges)
        return extent is not None and extents.get(extent[0], 0) >= extent[1]


def _operands(term: Terminator, evaluator: Evaluator) -> None:
    if isinstance(term, Branch) and term.then != term.orelse:
        if isinstance(term.b, int):
            evaluator.into_a(term.a)
        else:
            evaluator.into_both(term.a, term.b)


def _end(term: Terminator, evaluator: Evaluator, values: Values) -> Test | Goto:
    """Bring a terminator's operands into place, and return the way out."""
    evaluator.span = term.span
    if isinstance(term, Return):
        return Goto(MATCH if term.verdict is Verdict.MATCH else NO_MATCH, term.span)
    if isinstance(term, Jump):
        return Goto(term.target, term.span)
    if isinstance(term, (Member, Decide)):
        raise IrError("a test that classic BPF does not have")
    if term.then == term.orelse:
        return Goto(term.then, term.span)
    if isinstance(term.b, int):
        meta = values.single.get(term.a)
        if isinstance(meta, Meta) and meta.field is MetaField.OUTBOUND:
            return _outbound(term, term.b, evaluator)
        evaluator.into_a(term.a)
        return Test(_JUMPS[term.op][0], term.b, term.then, term.orelse, term.span)
    op, then, orelse = _JUMPS[term.op][1], term.then, term.orelse
    if evaluator.into_both(term.a, term.b) and op in (Op.JGT_X, Op.JGE_X):
        # b is in A and a in X: a > b is not b >= a.
        op = Op.JGE_X if op is Op.JGT_X else Op.JGT_X
        then, orelse = orelse, then
    return Test(op, 0, then, orelse, term.span)


def _outbound(term: Branch, b: int, evaluator: Evaluator) -> Test | Goto:
    """Compare the packet's type itself, in place of a 1 or 0 that would be made of it."""
    if_outbound, if_not = (term.then if compare(term.op, a, b) else term.orelse for a in (1, 0))
    if if_outbound == if_not:
        return Goto(if_not, term.span)
    evaluator.raw(MetaField.OUTBOUND)
    return Test(Op.JEQ_K, OUTGOING, if_outbound, if_not, term.span)
