"""What is known of a value is true of it, whatever is learned on the way."""

from __future__ import annotations

import random

from netbpf.ir.arithmetic import compare, contains
from netbpf.ir.intervals import Interval
from netbpf.ir.program import U32, Cmp
from netbpf.ir.value import Value, between, exactly, outcome

NUMBERS = (0, 1, 2, 3, 5, 6, 8, 17, 44, 132, 0xFF, 0x100, 0x800, 0x86DD, 0x80000000, U32)


class Known:
    """A value, and numbers that it can be, for all that is known."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        low, high = sorted(rng.choice(NUMBERS) for _ in range(2))
        self.value = between(Interval(low, high))
        self.possible = {n for n in NUMBERS if low <= n <= high} | {rng.randint(low, high)}

    def learn(self) -> None:
        """Make the value narrower by a random fact that leaves something possible."""
        holds = self.rng.random() < 0.5
        if self.rng.random() < 0.3:
            members = self.members()
            left = {n for n in self.possible if contains(members, n) is holds}
            narrower = self.value.among_members(members, holds)
        else:
            op, k = self.rng.choice([*Cmp]), self.rng.choice(NUMBERS)
            left = {n for n in self.possible if compare(op, n, k) is holds}
            narrower = self.value.where(op, k, holds)
        if left:
            self.possible, self.value = left, narrower

    def members(self) -> tuple[tuple[int, int], ...]:
        edges = sorted(self.rng.sample(NUMBERS, 6))
        return tuple(
            (a, self.rng.choice((a, b))) for a, b in zip(edges[::2], edges[1::2], strict=True)
        )

    def check(self) -> None:
        value = self.value
        for n in self.possible:
            assert value.allows(n), (value, n)
            assert value.low <= n <= value.high
            assert not n & value.zeros
            assert value.choices is None or n in value.choices


def test_facts_stay_true() -> None:
    rng = random.Random(3)
    decided = 0
    for _ in range(3000):
        one, other = Known(rng), Known(rng)
        for known in (one, other):
            for _ in range(rng.randint(0, 5)):
                known.learn()
            known.check()
        op, members = rng.choice([*Cmp]), one.members()

        expected = outcome(op, one.value, other.value)
        results = {compare(op, a, b) for a in one.possible for b in other.possible}
        assert expected is None or results == {expected}, (op, one.value, other.value)
        decided += expected is not None

        inside = one.value.membership(members)
        assert inside is None or {contains(members, n) for n in one.possible} == {inside}

        both = one.possible & other.possible
        for n in both:
            assert one.value.meet(other.value).allows(n)
        for n in one.possible | other.possible:
            assert one.value.join(other.value).allows(n)
    assert 500 < decided < 2900


def test_few_choices_are_remembered() -> None:
    tcp, udp = exactly(6), exactly(17)
    either = tcp.join(udp)
    assert either == Value(6, 17, ~(6 | 17) & U32, frozenset({6, 17}))
    assert either.where(Cmp.EQ, 6, False) == udp
    assert outcome(Cmp.EQ, either, exactly(7)) is False
    many = either
    for n in range(20, 30):
        many = many.join(exactly(n))
    assert many.choices is None
    assert (many.low, many.high) == (6, 29)


def test_what_cannot_happen_teaches_nothing() -> None:
    value = between(Interval(5, 9))
    assert value.where(Cmp.EQ, 4, True) == value
    assert value.where(Cmp.GT, 9, True) == value
    assert exactly(5).where(Cmp.EQ, 5, False) == exactly(5)
