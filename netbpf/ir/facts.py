"""What is known at a place of a program, whichever way led there.

Registers are names of pure functions of the packet, so a fact once learned stays true: nothing is
ever withdrawn, and at a joining of ways what holds on all of them remains.
Depends on ir.program, ir.intervals and ir.trie.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from netbpf.ir.interp import compare
from netbpf.ir.intervals import ANY, Interval
from netbpf.ir.program import U32, Branch, Cmp, Member, Reg
from netbpf.ir.trie import CAPACITY, Trie


class Value(NamedTuple):
    """A register's value lies between `low` and `high`; the bits of `zeros` are not set in it."""

    low: int
    high: int
    zeros: int

    def join(self, other: Value) -> Value:
        """Return what holds for either."""
        return Value(min(self.low, other.low), max(self.high, other.high), self.zeros & other.zeros)


class Names:
    """Numbers for registers and conditions, in the order in which they turn up."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}

    def number(self, name: object) -> int | None:
        """Return the number of a name, None once there are too many."""
        known = self._numbers.get(name)
        if known is None and len(self._numbers) < CAPACITY:
            known = self._numbers[name] = len(self._numbers)
        return known


@dataclass(frozen=True, slots=True)
class Facts:
    """The registers that are assigned, with their values; conditions; proved extents (ir.extent).

    Immutable: every method that learns something returns other facts.
    """

    names: Names
    values: Trie[Value]
    truths: Trie[bool]
    ends: Trie[int]

    @classmethod
    def nothing(cls) -> Facts:
        """Return what is known where a program begins."""
        return cls(Names(), Trie(), Trie(), Trie())

    # -- registers -------------------------------------------------------------------------------

    def value(self, reg: Reg) -> Value | None:
        """Return what is known of a register; None: it is not assigned on every way here."""
        number = self.names.number(reg)
        return None if number is None else self.values.get(number)

    def interval(self, reg: Reg) -> Interval:
        """Return an interval that holds the register's value."""
        value = self.value(reg)
        return ANY if value is None else Interval(value.low, value.high)

    def constant(self, reg: Reg) -> int | None:
        """Return the register's value, if it can be only one."""
        value = self.value(reg)
        return value.low if value is not None and value.low == value.high else None

    def assign(self, reg: Reg, interval: Interval) -> Facts:
        """Return the facts after an assignment."""
        return self._with_value(reg, Value(interval.low, interval.high, _above(interval.high)))

    def _with_value(self, reg: Reg, value: Value) -> Facts:
        number = self.names.number(reg)
        if number is None:
            return self
        return Facts(self.names, self.values.set(number, value), self.truths, self.ends)

    # -- extents ---------------------------------------------------------------------------------

    def end(self, base: Reg | None) -> int:
        """Return how far behind `base` the packet surely reaches, 0 if that is not known."""
        number = self.names.number(base)
        return 0 if number is None else self.ends.get(number) or 0

    def prove(self, base: Reg | None, end: int) -> Facts:
        """Return the facts where base + end lies within the packet."""
        number = self.names.number(base)
        if number is None or (self.ends.get(number) or 0) >= end:
            return self
        return Facts(self.names, self.values, self.truths, self.ends.set(number, end))

    # -- conditions ------------------------------------------------------------------------------

    def decide(self, test: Branch | Member) -> bool | None:
        """Return how a test comes out, None if that is not known."""
        decided = self._decide_member(test) if isinstance(test, Member) else self._decide(test)
        if decided is not None:
            return decided
        number = self.names.number(_condition(test))
        return None if number is None else self.truths.get(number)

    def learn(self, test: Branch | Member, outcome: bool) -> Facts:
        """Return the facts after a test that came out so."""
        number = self.names.number(_condition(test))
        if number is None:
            return self
        facts = Facts(self.names, self.values, self.truths.set(number, outcome), self.ends)
        if isinstance(test, Member):
            return facts._narrow_to_span(test) if outcome else facts
        if isinstance(test.b, int):
            return facts._narrow(test.a, test.op, test.b, outcome)
        if test.op is Cmp.EQ and outcome:
            return facts._equate(test.a, test.b)
        return facts

    def merge(self, other: Facts) -> Facts:
        """Return what holds whichever of two ways was taken."""
        return Facts(
            self.names,
            self.values.merge(other.values, Value.join),
            self.truths.merge(other.truths, lambda a, b: a if a == b else None),
            self.ends.merge(other.ends, min),
        )

    def _decide(self, test: Branch) -> bool | None:
        a = self.value(test.a)
        b = _exactly(test.b) if isinstance(test.b, int) else self.value(test.b)
        if a is None or b is None:
            return None
        if a.low == a.high and b.low == b.high:
            return compare(test.op, a.low, b.low)
        if test.op is Cmp.SET:
            return False if not ~a.zeros & ~b.zeros & U32 else None
        if test.op is Cmp.EQ:
            apart = a.high < b.low or b.high < a.low
            clash = (a.low == a.high and a.low & b.zeros) or (b.low == b.high and b.low & a.zeros)
            return False if apart or clash else None
        least = b.low if test.op is Cmp.GE else b.low + 1  # what a must reach to be above some b
        most = b.high if test.op is Cmp.GE else b.high + 1  # and above every b
        if a.low >= most:
            return True
        return False if a.high < least else None

    def _decide_member(self, test: Member) -> bool | None:
        low = high = 0
        for reg in test.regs:
            interval = self.interval(reg)
            low, high = low << 32 | interval.low, high << 32 | interval.high
        last = bisect_right(test.members, (high, 1 << 128)) - 1  # that starts at or below `high`
        if last < 0 or test.members[last][1] < low:
            return False
        start, end = test.members[last]
        return True if start <= low and high <= end else None

    def _narrow(self, reg: Reg, op: Cmp, k: int, outcome: bool) -> Facts:
        value = self.value(reg)
        if value is None:
            return self
        low, high, zeros = value
        if op is Cmp.EQ and outcome:
            low, high, zeros = k, k, ~k & U32
        elif op is Cmp.EQ:
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
        if low > high:
            return self  # cannot happen; what was known before is as true
        return self._with_value(reg, Value(low, high, zeros | _above(high)))

    def _narrow_to_span(self, test: Member) -> Facts:
        """Learn that a single register lies between the set's least and greatest."""
        value = self.value(test.regs[0])
        if len(test.regs) > 1 or value is None or not test.members:
            return self
        low = max(value.low, test.members[0][0])
        high = min(value.high, test.members[-1][1])
        if low > high:
            return self
        return self._with_value(test.regs[0], Value(low, high, value.zeros | _above(high)))

    def _equate(self, a: Reg, b: Reg) -> Facts:
        one, other = self.value(a), self.value(b)
        if one is None or other is None:
            return self
        low, high = max(one.low, other.low), min(one.high, other.high)
        if low > high:
            return self
        both = Value(low, high, one.zeros | other.zeros | _above(high))
        facts = self._with_value(a, both)
        return facts._with_value(b, both)  # noqa: SLF001 - of its own class


def _condition(test: Branch | Member) -> object:
    """Return a test's question, without its targets."""
    if isinstance(test, Member):
        return test.regs, id(test.members)  # which can be too long to hash each time
    if test.op is Cmp.EQ and not isinstance(test.b, int) and test.b < test.a:
        return test.op, test.b, test.a
    return test.op, test.a, test.b


def _above(high: int) -> int:
    """Return the bits that no number up to `high` has."""
    return U32 ^ ((1 << high.bit_length()) - 1)


def _exactly(k: int) -> Value:
    return Value(k, k, ~k & U32)
