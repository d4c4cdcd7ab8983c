"""Set tests as balanced trees of comparisons, for targets without tables.

A tree's inner nodes ask `>=`; its leaves ask for a few single values one by one, which is smaller
than going on to halve them. Members of four registers are split by their first word: a
word's values lead to a tree over the rest, and equal rests share one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netbpf.ir.fresh import Fresh
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    U32,
    Block,
    Branch,
    Cmp,
    Jump,
    Label,
    Member,
    Program,
    Reg,
    Terminator,
)
from netbpf.records import replace

Range = tuple[int, int]
Keep = Callable[[Member], bool]

LEAF = 4
"""How many single values a leaf asks for at most, if nobody says otherwise."""


def expand_members(program: Program, *, keep: Keep = lambda _: False, leaf: int = LEAF) -> Program:
    """Replace every Member by branches, but for those to `keep`.

    The larger the leaves, of up to `leaf` values, the smaller the trees, and the longer the ways.
    """
    if not any(_is_small(block, keep) for block in program):
        return program
    fresh = Fresh(program)
    blocks: list[Block] = []
    for block in program:
        if not isinstance(block.term, Member) or keep(block.term):
            blocks.append(block)
            continue
        trees = _Trees(block.term, fresh, leaf)
        first = trees.root()
        below = trees.blocks
        # The root's test moves into the block itself, unless the set is empty or everything.
        if below and below[0].label == first:
            blocks.append(replace(block, term=below[0].term))
            blocks.extend(below[1:])
        else:
            blocks.append(replace(block, term=Jump(first, block.term.span)))
    return drop_unreachable(replace(program, blocks=tuple(blocks)))


def _is_small(block: Block, keep: Keep) -> bool:
    return isinstance(block.term, Member) and not keep(block.term)


class _Arm(NamedTuple):
    """The values from `low` to `high` of one word go on at `target`."""

    low: int
    high: int
    target: Label


class _Trees:
    """The blocks of one Member, parents before children."""

    def __init__(self, term: Member, fresh: Fresh, leaf: int) -> None:
        self.blocks: list[Block] = []
        self._term = term
        self._leaf = leaf
        self._fresh = fresh
        self._rests: dict[tuple[int, tuple[Range, ...]], Label] = {}
        self._waiting: deque[tuple[Label, int, tuple[Range, ...]]] = deque()

    def root(self) -> Label:
        """Build all trees; return where the test starts."""
        first = self._word(0, self._term.members, None)
        while self._waiting:
            label, index, members = self._waiting.popleft()
            self._word(index, members, label)
        return first

    def _word(self, index: int, members: tuple[Range, ...], label: Label | None) -> Label:
        """Build the tree over word `index`, whose concatenation with the rest is in `members`."""
        shift = 32 * (len(self._term.regs) - index - 1)
        arms = [
            _Arm(low, high, self._rest(index + 1, rest))
            for low, high, rest in _by_first_word(members, shift)
        ]
        return self._tree(self._term.regs[index], arms, (0, U32), label)

    def _rest(self, index: int, members: tuple[Range, ...] | None) -> Label:
        """Return where the words from `index` on are tested; None: whatever they are."""
        if members is None:
            return self._term.then
        label = self._rests.get((index, members))
        if label is None:
            label = self._rests[index, members] = self._fresh.label("in")
            self._waiting.append((label, index, members))
        return label

    def _tree(
        self, reg: Reg, arms: Sequence[_Arm], within: Range, label: Label | None = None
    ) -> Label:
        """Return the label of the test of `reg`, known to be `within`, against the arms."""
        low, high = within
        orelse = self._term.orelse
        if not arms:
            return self._pass_on(orelse, label)
        first, last = arms[0], arms[-1]
        if len(arms) == 1 and first.low <= low and first.high >= high:
            return self._pass_on(first.target, label)
        label = label or self._fresh.label("in")
        at = len(self.blocks)
        self.blocks.append(Block(label, (), Jump(orelse)))  # keeps the place before its children
        term: Terminator
        if len(arms) <= self._leaf and first.low == first.high:
            below = self._tree(reg, arms[1:], (low + (first.low == low), high))
            term = self._branch(Cmp.EQ, reg, first.low, first.target, below)
        elif len(arms) > 1:
            middle = arms[len(arms) // 2]
            upper = self._tree(reg, arms[len(arms) // 2 :], (middle.low, high))
            lower = self._tree(reg, arms[: len(arms) // 2], (low, middle.low - 1))
            term = self._branch(Cmp.GE, reg, middle.low, upper, lower)
        elif first.low > low:
            above = self._tree(reg, arms, (first.low, high))
            term = self._branch(Cmp.GE, reg, first.low, above, orelse)
        else:
            term = self._branch(Cmp.GT, reg, last.high, orelse, last.target)
        self.blocks[at] = Block(label, (), term)
        return label

    def _pass_on(self, target: Label, label: Label | None) -> Label:
        """Return `target`, by way of `label` if that was promised already."""
        if label is not None:
            self.blocks.append(Block(label, (), Jump(target, self._term.span)))
        return label or target

    def _branch(self, op: Cmp, reg: Reg, value: int, then: Label, orelse: Label) -> Branch:
        return Branch(op, reg, value, then, orelse, self._term.span)


def _by_first_word(
    members: Sequence[Range], shift: int
) -> list[tuple[int, int, tuple[Range, ...] | None]]:
    """Split ranges into (low, high, rest) of their first word; rest None is "every rest"."""
    mask = (1 << shift) - 1
    parts: list[tuple[int, int, list[Range] | None]] = []

    def add(low: int, high: int, rest: Range) -> None:
        if rest == (0, mask):
            if parts and parts[-1][2] is None and parts[-1][1] + 1 == low:
                low = parts.pop()[0]
            parts.append((low, high, None))
        elif parts and parts[-1][0] == low and (same := parts[-1][2]) is not None:
            same.append(rest)
        else:
            parts.append((low, high, [rest]))

    for start, end in members:
        low, high = start >> shift, end >> shift
        if low == high:
            add(low, low, (start & mask, end & mask))
            continue
        if start & mask:
            add(low, low, (start & mask, mask))
            low += 1
        if end & mask != mask:
            if low < high:
                add(low, high - 1, (0, mask))
            add(high, high, (0, end & mask))
        else:
            add(low, high, (0, mask))
    return [(low, high, None if rest is None else tuple(rest)) for low, high, rest in parts]
