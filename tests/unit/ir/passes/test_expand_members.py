"""Sets as trees of comparisons: the right answer for every value near every edge."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from netbpf.ir.arithmetic import contains
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.passes.expand_members import LEAF, expand_members
from netbpf.ir.program import (
    Block,
    Branch,
    Label,
    Load,
    Member,
    Program,
    Reg,
    Return,
    Verdict,
)
from netbpf.ir.verify import verify
from tests.unit.ir.passes.checks import check

Ranges = tuple[tuple[int, int], ...]


def program(members: Ranges, words: int) -> Program:
    regs = tuple(Reg(f"w{i}") for i in range(words))
    loads = tuple(Load(reg, None, 4 * i, 4) for i, reg in enumerate(regs))
    test = Member(regs, members, Label("yes"), Label("no"))
    return Program(
        (
            Block(Label("entry"), loads, test),
            Block(Label("yes"), (), Return(Verdict.MATCH)),
            Block(Label("no"), (), Return(Verdict.NO_MATCH)),
        )
    )


def random_ranges(rng: random.Random, words: int, count: int) -> Ranges:
    """Return ranges that share leading words, begin and end at words' edges, and touch."""
    bits = 32 * words
    points: set[int] = set()
    while len(points) < 2 * count:
        near = rng.choice(sorted(points)) if points and rng.random() < 0.6 else 0
        point = near ^ rng.getrandbits(rng.choice((2, 8, 32, bits)))
        for word in range(words):
            if rng.random() < 0.2:
                point &= ~(0xFFFFFFFF << 32 * word)
            elif rng.random() < 0.2:
                point |= 0xFFFFFFFF << 32 * word
        points.add(point)
    edges = sorted(points)
    ranges = [
        (low, high) if rng.random() < 0.6 else (low, low)
        for low, high in zip(edges[::2], edges[1::2], strict=True)
    ]
    return tuple(ranges)


@pytest.mark.parametrize("leaf", [LEAF, 16])
@pytest.mark.parametrize("words", [1, 4])
def test_membership_is_kept(words: int, leaf: int) -> None:
    rng = random.Random(words)
    bits = 32 * words
    for count in (0, 1, 2, 3, 4, 5, 9, 30) * 4:
        members = random_ranges(rng, words, count)
        expanded = expand_members(program(members, words), leaf=leaf)
        verify(expanded)
        assert not any(isinstance(block.term, Member) for block in expanded)
        machine = Machine(expanded)
        values = {rng.getrandbits(bits), 0, (1 << bits) - 1}
        for edge in (edge for pair in members for edge in pair):
            values |= {edge, edge - 1, edge + 1, edge ^ 1 << rng.randrange(bits)}
        for value in (value for value in values if 0 <= value < 1 << bits):
            verdict = machine.run(Packet(value.to_bytes(4 * words, "big")))
            assert (verdict is Verdict.MATCH) is contains(members, value), (members, value)


def test_everything_is_a_jump() -> None:
    expanded = expand_members(program(((0, 0xFFFFFFFF),), 1))
    assert expanded.blocks[0].targets() == ("yes",)
    expanded = expand_members(program((), 1))
    assert expanded.blocks[0].targets() == ("no",)


def test_depth_grows_with_the_logarithm() -> None:
    members = tuple((3 * i, 3 * i) for i in range(1024))
    blocks = {block.label: block for block in expand_members(program(members, 1))}
    deepest = dict.fromkeys(blocks, 0)
    for block in blocks.values():  # in topological order
        for target in block.targets():
            deepest[target] = max(deepest[target], deepest[block.label] + 1)
    assert deepest[Label("yes")] <= 13
    branches = sum(isinstance(block.term, Branch) for block in blocks.values())
    assert branches <= 1.26 * 1024


def test_larger_leaves_make_smaller_trees() -> None:
    members = tuple((3 * i, 3 * i) for i in range(17))
    for leaf, inner in ((4, 4), (8, 2), (16, 1), (17, 0)):
        expanded = expand_members(program(members, 1), leaf=leaf)
        asked = [op for op, _ in branches_on(expanded, "w0")]
        assert asked.count(">=") == inner
        assert asked.count("==") == 17


def test_equal_rests_share_one_tree() -> None:
    suffix = ((5 << 64) + 7, (9 << 64) + 1)
    members = tuple(
        (prefix << 96 | low, prefix << 96 | low) for prefix in range(100) for low in suffix
    )
    assert all(one < other for (one, _), (other, _) in pairwise(members))
    expanded = expand_members(program(members, 4))
    assert len(expanded.blocks) < 140


def test_what_is_to_be_kept_stays() -> None:
    two = program(((1, 1), (3, 3)), 1)
    assert expand_members(two, keep=lambda member: len(member.members) == 2) is two
    assert expand_members(two, keep=lambda member: len(member.members) > 2) is not two


def branches_on(expanded: Program, reg: str) -> list[tuple[str, object]]:
    tests = (block.term for block in expanded if isinstance(block.term, Branch))
    return [(test.op.value, test.b) for test in tests if test.a == reg]


def test_no_edge_is_asked_for_twice() -> None:
    touching = expand_members(program(((1, 5), (6, 9), (10, 0xFFFFFFFF)), 1))
    assert branches_on(touching, "w0") == [(">=", 1)]
    # The first words 1 to 5 say yes; 6 leads to the other words.
    words = expand_members(program((((1 << 96), (6 << 96) + 7),), 4))
    assert branches_on(words, "w0") == [(">=", 6), ("==", 6), (">=", 1)]


def test_a_range_in_text() -> None:
    check(
        expand_members,
        """
        entry:
          port = load2 34
          if port in { 0x50 0x1f40-0x1fa3 } goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          port = load2 34
          if port == 0x50 goto yes else in.1
        in.1:
          if port >= 0x1f40 goto in.2 else no
        in.2:
          if port > 0x1fa3 goto no else yes
        yes:
          match
        no:
          no match
        """,
    )
