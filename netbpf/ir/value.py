"""What can be known of one register's value.

Depends on ir.program and ir.arithmetic.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import NamedTuple

from netbpf.ir.arithmetic import compare, contains
from netbpf.ir.intervals import Interval
from netbpf.ir.program import U32, Cmp

_MOST_CHOICES = 8

Members = tuple[tuple[int, int], ...]


class Value(NamedTuple):
    """It lies between `low` and `high`, has no bit of `zeros`, and is one of `choices`, if given.

    The choices are few: after `tcp or udp` they are 6 and 17.
    """

    low: int
    high: int
    zeros: int
    choices: frozenset[int] | None = None

    def is_constant(self) -> bool:
        """Return whether it can be one number only."""
        return self.low == self.high

    def join(self, other: Value) -> Value:
        """Return what holds for either."""
        zeros = self.zeros & other.zeros
        if self.choices is not None and other.choices is not None:
            both = self.choices | other.choices
            if len(both) <= _MOST_CHOICES:
                return self.among(both)
        return Value(min(self.low, other.low), max(self.high, other.high), zeros)

    def meet(self, other: Value) -> Value:
        """Return what holds where both do."""
        if self.choices is not None:
            return self.among(k for k in self.choices if other.allows(k))
        if other.choices is not None:
            return other.among(k for k in other.choices if self.allows(k))
        low, high = max(self.low, other.low), min(self.high, other.high)
        return self._if_possible(low, high, self.zeros | other.zeros)

    def allows(self, k: int) -> bool:
        """Return whether it can be `k`."""
        if self.choices is not None:
            return k in self.choices
        return self.low <= k <= self.high and not k & self.zeros

    def among(self, choices: Iterable[int]) -> Value:
        """Return what is known when only these choices remain."""
        left = frozenset(choices)
        if not left:
            return self  # cannot happen; what was known before is as true
        return Value(min(left), max(left), ~reduce(or_, left) & U32, left)

    def where(self, op: Cmp, k: int, outcome: bool) -> Value:
        """Return what is known after a comparison with `k` that came out so."""
        if self.choices is not None:
            return self.among(x for x in self.choices if compare(op, x, k) is outcome)
        low, high, zeros = self.low, self.high, self.zeros
        if op is Cmp.EQ and outcome:
            return exactly(k) if self.allows(k) else self
        if op is Cmp.EQ:
            low, high = low + (low == k), high - (high == k)
        elif op is Cmp.SET and outcome:
            low = max(low, k & -k)
        elif op is Cmp.SET:
            zeros |= k
            high = min(high, ~zeros & U32)
        elif outcome:
            low = max(low, k + (op is Cmp.GT))
        else:
            high = min(high, k - (op is Cmp.GE))
        return self._if_possible(low, high, zeros)

    def among_members(self, members: Members, holds: bool) -> Value:
        """Return what is known of a value that is in a set, or is not."""
        if self.choices is not None:
            return self.among(x for x in self.choices if contains(members, x) is holds)
        if not holds or not members:
            return self
        if len(members) <= _MOST_CHOICES and all(low == high for low, high in members):
            return self.among(low for low, _ in members if self.allows(low))
        low, high = max(self.low, members[0][0]), min(self.high, members[-1][1])
        return self._if_possible(low, high, self.zeros)

    def membership(self, members: Members) -> bool | None:
        """Return whether it is in a set, None if it can be or not."""
        if self.choices is not None:
            return _same(contains(members, x) for x in self.choices)
        return membership(self.low, self.high, members)

    def _if_possible(self, low: int, high: int, zeros: int) -> Value:
        if low > high:
            return self  # cannot happen
        return exactly(low) if low == high else Value(low, high, zeros | _above(high))


def exactly(k: int) -> Value:
    """Return the value that is `k`."""
    return Value(k, k, ~k & U32, frozenset({k}))


def between(interval: Interval) -> Value:
    """Return the value that lies in an interval."""
    low, high = interval
    return exactly(low) if low == high else Value(low, high, _above(high))


def outcome(op: Cmp, a: Value, b: Value) -> bool | None:
    """Return how a comparison comes out, None if it can come out either way."""
    if a.choices is not None and b.is_constant():
        return _same(compare(op, x, b.low) for x in a.choices)
    if b.choices is not None and a.is_constant():
        return _same(compare(op, a.low, x) for x in b.choices)
    if op is Cmp.SET:
        return False if not ~a.zeros & ~b.zeros & U32 else None
    if op is Cmp.EQ:
        if a.is_constant() or b.is_constant():
            possible = a.allows(b.low) if b.is_constant() else b.allows(a.low)
        else:
            possible = a.low <= b.high and b.low <= a.high
        return None if possible else False
    least = b.low if op is Cmp.GE else b.low + 1  # what a must reach to be above some b
    most = b.high if op is Cmp.GE else b.high + 1  # and above every b
    if a.low >= most:
        return True
    return False if a.high < least else None


def membership(low: int, high: int, members: Members) -> bool | None:
    """Return whether numbers between `low` and `high` are in a set, None if only some may be."""
    last = bisect_right(members, (high, 1 << 128)) - 1  # that starts at or below `high`
    if last < 0 or members[last][1] < low:
        return False
    start, end = members[last]
    return True if start <= low and high <= end else None


def _same(outcomes: Iterable[bool]) -> bool | None:
    """Return what all outcomes are, None if they differ."""
    found = set(outcomes)
    return found.pop() if len(found) == 1 else None


def _above(high: int) -> int:
    """Return the bits that no number up to `high` has."""
    return U32 ^ ((1 << high.bit_length()) - 1)
