"""Tests that must all hold, in the order that saves loads: first the one of what is at hand.

For machines with one accumulator, in which the register that was tested last still lies. Where
each of several tests in a row ends in "no match" unless it holds, and so do the loads in between
that fail, their order is nobody's concern: `host a and host b` asks for the source once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from netbpf.ir.program import (
    Block,
    Branch,
    Label,
    Member,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
)
from netbpf.records import replace


def order_tests(program: Program) -> Program:
    """Return the program with tests moved to where their register was tested last."""
    rows = _Rows(program)
    moved: dict[Label, Block] = {}
    for block in program:
        reg = rows.at_hand(block.label)
        if reg is None or reg == _tested(block) or block.label in moved:
            continue
        row = rows.beginning_at(block)
        index = next((i for i, one in enumerate(row) if _tested(one) == reg), 0)
        if index:
            moved.update(rows.with_first(row[: index + 1]))
    if not moved:
        return program
    return replace(program, blocks=tuple(moved.get(block.label, block) for block in program))


class _Rows:
    """Rows of blocks, each of which leads to the next or to "no match"."""

    def __init__(self, program: Program) -> None:
        self._blocks = {block.label: block for block in program}
        self._ways = Counter(target for block in program for target in block.targets())
        self._tested: dict[Label, set[Reg | None]] = {}  # in the blocks that lead to each
        for block in program:
            for target in block.targets():
                self._tested.setdefault(target, set()).add(_tested(block))

    def at_hand(self, label: Label) -> Reg | None:
        """Return the register that was tested last, whichever way led to a block."""
        regs = self._tested.get(label, set())
        return next(iter(regs)) if len(regs) == 1 else None

    def beginning_at(self, block: Block) -> list[Block]:
        """Return the row that begins with a block; only that may be led to from elsewhere."""
        row: list[Block] = []
        onward = self._onward(block)
        while onward is not None and (not row or self._ways[block.label] == 1):
            row.append(block)
            block = self._blocks[onward]
            onward = self._onward(block)
        return row

    def with_first(self, row: Sequence[Block]) -> Mapping[Label, Block]:
        """Return a row's blocks, its last test now the first, and all else one further down."""
        *others, before, last = row
        sources = [last, *others, before]
        insns = [(), *(block.insns for block in others), before.insns + last.insns]
        onward = [*(block.label for block in row[1:]), self._onward(last)]
        return {
            block.label: Block(block.label, inside, self._redirected(source, target))
            for block, inside, source, target in zip(row, insns, sources, onward, strict=True)
        }

    def _redirected(self, block: Block, onward: Label | None) -> Terminator:
        """Return a block's test, going on elsewhere."""
        term = block.term
        assert isinstance(term, (Branch, Member))
        assert onward is not None
        if term.then == self._onward(block):
            return replace(term, then=onward)
        return replace(term, orelse=onward)

    def _onward(self, block: Block) -> Label | None:
        """Return where a block goes on if its test does not end in "no match"."""
        left = [target for target in block.targets() if not self._ends(target)]
        return left[0] if len(left) == 1 and len(block.targets()) == 2 else None

    def _ends(self, label: Label) -> bool:
        block = self._blocks[label]
        is_end = isinstance(block.term, Return) and block.term.verdict is Verdict.NO_MATCH
        return is_end and not block.insns


def _tested(block: Block) -> Reg | None:
    """Return the only register that a block tests."""
    term = block.term
    if isinstance(term, Branch):
        return term.a if isinstance(term.b, int) else None
    return term.regs[0] if isinstance(term, Member) and len(term.regs) == 1 else None
