"""Leave out tests whose outcome the next test decides as well.

    if src == 7 goto yes else b              goto b
    b: load dst                              b: load dst
       if src in { 7 8 9 } goto yes else c      if src in { 7 8 9 } goto yes else c

So are elements of a set asked for when a load lies between them, and the first words of IPv6
addresses before the last: packets may end there, and then the order counts. Where a check before
has shown that they do not, the last test is enough. It reads more for less branches, which is for
targets that read for nearly nothing.
Depends on ir.program, ir.extent, ir.intervals.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.ir.extent import Extents, common, proof, widen
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.program import Block, Branch, Cmp, Jump, Label, Load, Member, Program, Reg
from netbpf.records import dataclass, replace

Members = tuple[tuple[int, int], ...]

_FARTHEST = 4  # blocks that are looked through for the next test: as many as an address has words


def skip_implied(program: Program) -> Program:
    """Replace tests by jumps to a test that implies them."""
    ranges = intervals(program)
    proved = _proved(program, ranges)
    blocks: dict[Label, Block] = {}
    for block in reversed(program.blocks):
        test = _test_of(block)
        if test is not None:
            for then, orelse in ((test.then, test.orelse), (test.orelse, test.then)):
                following = _next_test(blocks[then], blocks, proved[block.label], ranges)
                if following is not None and _decides(following, test, then, orelse):
                    block = replace(block, term=Jump(then, block.term.span))
                    break
        blocks[block.label] = block
    return replace(program, blocks=tuple(reversed(blocks.values())))


@dataclass(frozen=True, slots=True)
class _Test:
    """A test for a set; both a Branch and a Member can be one."""

    regs: tuple[Reg, ...]
    members: Members
    then: Label
    orelse: Label


def _test_of(block: Block) -> _Test | None:
    term = block.term
    if isinstance(term, Member):
        return _Test(term.regs, term.members, term.then, term.orelse)
    if isinstance(term, Branch) and term.op is Cmp.EQ and isinstance(term.b, int):
        return _Test((term.a,), ((term.b, term.b),), term.then, term.orelse)
    return None


def _decides(later: _Test, test: _Test, to_later: Label, otherwise: Label) -> bool:
    """Whether the later test leads to where this one does, if this one does not lead to it."""
    if to_later == test.orelse:
        return later.then == otherwise and later.regs == test.regs and _within(test, later)
    return (
        later.orelse == otherwise
        and later.regs[: len(test.regs)] == test.regs
        and _within(later, test)
    )


def _within(inner: _Test, outer: _Test) -> bool:
    """Whether the first words of what is in one set are all in the other."""
    shift = 32 * (len(inner.regs) - len(outer.regs))
    ranges = iter(outer.members)
    low, high = next(ranges, (1, 0))
    for start, end in inner.members:
        while high < start >> shift:
            low, high = next(ranges, (0, -1))
            if high < 0:
                return False
        if low > start >> shift or high < end >> shift:
            return False
    return True


def _next_test(
    block: Block, blocks: Mapping[Label, Block], proved: Extents, ranges: Mapping[Reg, Interval]
) -> _Test | None:
    """Return the next test, if on the way there are but loads that cannot fail."""
    for _ in range(_FARTHEST):
        for insn in block.insns:
            extent = proof(insn, ranges)
            if not isinstance(insn, Load) or extent is None or proved.get(extent[0], 0) < extent[1]:
                return None
        if not isinstance(block.term, Jump):
            return _test_of(block)
        block = blocks[block.term.target]
    return None


def _proved(program: Program, ranges: Mapping[Reg, Interval]) -> dict[Label, Extents]:
    """Return how far each block's end is known to be from the end of the packet."""
    arriving: dict[Label, list[Extents]] = {program.blocks[0].label: [{}]}
    found: dict[Label, Extents] = {}
    for block in program:
        extents = found[block.label] = common(arriving.pop(block.label))
        for insn in block.insns:
            extent = proof(insn, ranges)
            if extent is not None:
                widen(extents, *extent)
        for target in block.targets():
            arriving.setdefault(target, []).append(extents)
    return found
