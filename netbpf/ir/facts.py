"""What is known at a place of a program, whichever way led there.

Registers are names of pure functions of the packet, so a fact once learned stays true: nothing is
ever withdrawn, and at a joining of ways what holds on all of them remains.
Depends on ir.program, ir.intervals and ir.trie.
"""

from __future__ import annotations

from collections.abc import Iterator

from netbpf.ir.intervals import ANY, Interval
from netbpf.ir.program import Branch, Cmp, Member, Reg
from netbpf.ir.trie import CAPACITY, Trie
from netbpf.ir.value import Value, between, exactly, membership, outcome
from netbpf.records import dataclass


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
        return value.low if value is not None and value.is_constant() else None

    def assign(self, reg: Reg, interval: Interval) -> Facts:
        """Return the facts after an assignment."""
        return self._with_value(reg, between(interval))

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

    def learn(self, test: Branch | Member, holds: bool) -> Facts:
        """Return the facts after a test that came out so."""
        number = self.names.number(_condition(test))
        if number is None:
            return self
        facts = Facts(self.names, self.values, self.truths.set(number, holds), self.ends)
        for reg, value in self._learned(test, holds):
            facts = facts._with_value(reg, value)
        return facts

    def merge(self, other: Facts) -> Facts:
        """Return what holds whichever of two ways was taken."""
        return Facts(
            self.names,
            self.values.merge(other.values, Value.join),
            self.truths.merge(other.truths, lambda a, b: a if a == b else None),
            self.ends.merge(other.ends, min),
        )

    def _learned(self, test: Branch | Member, holds: bool) -> Iterator[tuple[Reg, Value]]:
        """Yield what a test tells of the registers that it reads."""
        if isinstance(test, Member):
            value = self.value(test.regs[0])
            if len(test.regs) == 1 and value is not None:
                yield test.regs[0], value.among_members(test.members, holds)
            return
        a = self.value(test.a)
        if a is None:
            return
        if isinstance(test.b, int):
            yield test.a, a.where(test.op, test.b, holds)
            return
        b = self.value(test.b)
        if test.op is Cmp.EQ and holds and b is not None:
            both = a.meet(b)
            yield test.a, both
            yield test.b, both

    def _decide(self, test: Branch) -> bool | None:
        a = self.value(test.a)
        b = exactly(test.b) if isinstance(test.b, int) else self.value(test.b)
        return None if a is None or b is None else outcome(test.op, a, b)

    def _decide_member(self, test: Member) -> bool | None:
        if len(test.regs) == 1 and (value := self.value(test.regs[0])) is not None:
            return value.membership(test.members)
        low = high = 0
        for reg in test.regs:
            interval = self.interval(reg)
            low, high = low << 32 | interval.low, high << 32 | interval.high
        return membership(low, high, test.members)


def _condition(test: Branch | Member) -> object:
    """Return a test's question, without its targets."""
    if isinstance(test, Member):
        return test.regs, id(test.members)  # which can be too long to hash each time
    if test.op is Cmp.EQ and not isinstance(test.b, int) and test.b < test.a:
        return test.op, test.b, test.a
    return test.op, test.a, test.b
