"""Chains of equality tests, by what they test, past what they compute in between.

As gather_tests, whose chains end where anything is computed: for machines that compute a value only
where it is wanted, so that it costs nothing to move a computation ahead of tests. What can end
the program stays where it is among the tests, and splits the chain there; behind a Bound, loads
cannot. Between two such places the tests of one register become one. What an earlier test has
ruled out is not asked for again, and what was loaded last is asked for first: it is still at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from netbpf.errors import Span
from netbpf.ir.expressions import definitions
from netbpf.ir.extent import Extents, proof, widen
from netbpf.ir.intervals import intervals, may_divide_by_zero
from netbpf.ir.passes.gather_tests import Members, as_test, cover, set_of, union
from netbpf.ir.program import (
    Block,
    Bound,
    Branch,
    Insn,
    Jump,
    Label,
    Load,
    Member,
    Program,
    Reg,
    reads,
    written,
)
from netbpf.ir.value import membership
from netbpf.records import replace


class _Link(NamedTuple):
    """A block of a chain, and what it tests."""

    block: Block
    term: Branch | Member
    reg: Reg
    members: Members


def regroup_tests(program: Program) -> Program:
    """Rewrite every chain in which a register is tested twice."""
    ways = Counter(target for block in program for target in block.targets())
    blocks = {block.label: block for block in program}
    seen: set[Label] = set()
    found: list[list[_Link]] = []
    for block in program:
        if block.label not in seen:
            chain = _chain(block, blocks, ways)
            seen.update(link.block.label for link in chain)
            if any(link.block.insns for link in chain[1:]) and _repeats(chain):
                found.append(chain)
    return _rewritten(program, found) if found else program


def _chain(block: Block, blocks: dict[Label, Block], ways: Counter[Label]) -> list[_Link]:
    """Return a block and those that only follow where its test fails, with the same target."""
    chain: list[_Link] = []
    while isinstance(block.term, (Branch, Member)):
        test = set_of(block)
        if test is None:
            break
        if chain and (ways[block.label] > 1 or block.term.then != chain[0].term.then):
            break
        chain.append(_Link(block, block.term, *test))
        block = blocks[block.term.orelse]
    return chain


def _repeats(chain: Sequence[_Link]) -> bool:
    """Return whether a register is tested twice."""
    return len(chain) > len({link.reg for link in chain})


def _rewritten(program: Program, chains: Sequence[list[_Link]]) -> Program:
    movable = _Movable(program)
    done: dict[Label, Block | None] = {}  # None: nothing is left of it
    for chain in chains:
        orelse = chain[-1].term.orelse
        ruled_out: dict[Reg, Members] = {}
        segments = _segments(chain, movable)
        ends = [*(segment[0].block.label for segment in segments[1:]), orelse]
        for segment, end in zip(segments, ends, strict=True):
            done.update(_regroup(segment, end, ruled_out))
    kept = (done.get(block.label, block) for block in program)
    return replace(program, blocks=tuple(block for block in kept if block is not None))


class _Movable:
    """Which computations may come earlier than they do."""

    def __init__(self, program: Program) -> None:
        self._ranges = intervals(program)
        self._single, _ = definitions(program)

    def all(self, insns: Sequence[Insn], proved: Extents) -> bool:
        """Return whether all may, where this much is proved; add to that what they prove."""
        stuck = [insn for insn in insns if not self._is_movable(insn, proved)]
        return not stuck

    def _is_movable(self, insn: Insn, proved: Extents) -> bool:
        extent = proof(insn, self._ranges)
        if extent is not None and proved.get(extent[0], 0) < extent[1]:
            widen(proved, *extent)
            return False
        if isinstance(insn, Bound):
            return True
        if isinstance(insn, Load) and extent is None:
            return False
        # Each packet takes one of a join's assignments, and no other.
        return insn.dst in self._single and not may_divide_by_zero(insn, self._ranges.__getitem__)


def _segments(chain: Sequence[_Link], movable: _Movable) -> list[list[_Link]]:
    """Split a chain where something may end the program."""
    proved: Extents = {}
    segments: list[list[_Link]] = []
    for link in chain:
        if movable.all(link.block.insns, proved) and segments:
            segments[-1].append(link)
        else:
            segments.append([link])
    return segments


def _regroup(
    segment: Sequence[_Link], orelse: Label, ruled_out: dict[Reg, Members]
) -> dict[Label, Block | None]:
    """Return a segment's blocks with a test per register, and None for the rest of them."""
    sets: dict[Reg, list[tuple[int, int]]] = {reg: [] for reg in _at_hand(segment)}
    spans: dict[Reg, Span | None] = {}
    for link in segment:
        sets[link.reg].extend(link.members)
        spans[link.reg] = cover(spans.get(link.reg), link.term.span)
    tests: list[tuple[Reg, Members]] = []
    for reg, ranges in sets.items():
        members = union(ranges)
        left = _without(members, ruled_out.get(reg, ()))
        ruled_out[reg] = union([*ruled_out.get(reg, ()), *members])
        if left:
            tests.append((reg, left))
    return _blocks(segment, tests, orelse, spans)


def _at_hand(segment: Sequence[_Link]) -> list[Reg]:
    """Return the registers of a segment, what its head has assigned last first."""
    tested = dict.fromkeys(link.reg for link in segment)
    assigned = [insn.dst for insn in segment[0].block.insns if not isinstance(insn, Bound)]
    last_first = [reg for reg in reversed(assigned) if reg in tested]
    return list(dict.fromkeys((*last_first, *tested)))


def _without(members: Members, ruled_out: Members) -> Members:
    """Return the members that are not ruled out as a whole."""
    return tuple(one for one in members if not membership(*one, ruled_out))


def _blocks(
    segment: Sequence[_Link],
    tests: Sequence[tuple[Reg, Members]],
    orelse: Label,
    spans: dict[Reg, Span | None],
) -> dict[Label, Block | None]:
    """Return the blocks of the tests, each behind what it is the first to want."""
    head, then = segment[0].block, segment[0].term.then
    insns = _sunk(segment, [reg for reg, _ in tests])
    result: dict[Label, Block | None] = {link.block.label: None for link in segment}
    result[head.label] = Block(head.label, insns[0], Jump(orelse, segment[0].term.span))
    for index in reversed(range(len(tests))):
        reg, members = tests[index]
        label = segment[index].block.label
        result[label] = Block(label, insns[index], as_test(reg, members, then, orelse, spans[reg]))
        orelse = label
    return result


def _sunk(segment: Sequence[_Link], regs: Sequence[Reg]) -> list[tuple[Insn, ...]]:
    """Return for each test what to compute before it; the head's, before the first.

    What no test wants, something behind the chain may: it comes before the last.
    """
    places: list[list[Insn]] = [[] for _ in regs] or [[]]
    wanted = {reg: index for index, reg in enumerate(regs)}
    for insn in reversed([insn for link in segment[1:] for insn in link.block.insns]):
        dst = written(insn)
        index = len(places) - 1 if dst is None else wanted.get(dst, len(places) - 1)
        places[index].append(insn)
        for reg in reads(insn):
            wanted[reg] = min(index, wanted.get(reg, index))
    places[0].extend(reversed(segment[0].block.insns))
    return [tuple(reversed(place)) for place in places]
