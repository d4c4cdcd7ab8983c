"""Conditions on registers that are decided as a whole, with no branch between their parts.

A short circuit costs a branch for each test, and those that depend on the packet are mispredicted
now and then. A formula says the same of registers that are all assigned already; a Decide
(ir.program) branches on it once. Negation stands at the leaves only, in `holds`.
Depends on ir.program and ir.arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netbpf.ir.arithmetic import contains
from netbpf.ir.program import U32, Reg
from netbpf.records import dataclass, replace

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class Leaf:
    """A test of one register; `holds` False asks for the opposite."""

    reg: Reg
    holds: bool = True

    def leaves(self) -> Iterator[Leaf]:
        """Yield the tests, from left to right."""
        yield self

    def registers(self) -> Iterator[Reg]:
        """Yield the registers, each as often as it is asked for."""
        yield self.reg

    def negated(self) -> Self:
        """Return the opposite."""
        return replace(self, holds=not self.holds)

    def renamed(self, names: Mapping[Reg, Reg]) -> Self:
        """Return the same of other registers."""
        return replace(self, reg=names[self.reg])

    def is_true(self, values: Mapping[Reg, int]) -> bool:
        """Return whether it is true where the registers have these values."""
        return self._test(values[self.reg]) is self.holds

    def _test(self, value: int) -> bool:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Bits(Leaf):
    """(reg & mask) == value."""

    mask: int = 0
    value: int = 0

    def _test(self, value: int) -> bool:
        return value & self.mask == self.value

    def __str__(self) -> str:
        return f"{self.reg} & {self.mask:#x} {'==' if self.holds else '!='} {self.value:#x}"


@dataclass(frozen=True, slots=True)
class Within(Leaf):
    """low <= reg <= high."""

    low: int = 0
    high: int = U32

    def negated(self) -> Within:
        """Return the opposite, which is a range, too, where this one is open at one end."""
        if self.holds and self.high == U32 and self.low > 0:
            return replace(self, low=0, high=self.low - 1)
        if self.holds and self.low == 0 and self.high < U32:
            return replace(self, low=self.high + 1, high=U32)
        return replace(self, holds=not self.holds)

    def _test(self, value: int) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.reg} {'in' if self.holds else 'not in'} {self.low:#x}-{self.high:#x}"


@dataclass(frozen=True, slots=True)
class InSet(Leaf):
    """The register is in a set: inclusive, disjoint, ascending ranges."""

    members: tuple[tuple[int, int], ...] = ()

    def _test(self, value: int) -> bool:
        return contains(self.members, value)

    def __str__(self) -> str:
        return f"{self.reg} {'in' if self.holds else 'not in'} {len(self.members)} ranges"


@dataclass(frozen=True, slots=True)
class Group:
    """Several formulas, as `every` and `some` make them: none of its own kind among the parts."""

    parts: tuple[Formula, ...]

    def leaves(self) -> Iterator[Leaf]:
        """Yield the tests, from left to right."""
        for part in self.parts:
            yield from part.leaves()

    def registers(self) -> Iterator[Reg]:
        """Yield the registers, each as often as it is asked for."""
        for part in self.parts:
            yield from part.registers()

    def renamed(self, names: Mapping[Reg, Reg]) -> Self:
        """Return the same of other registers."""
        return replace(self, parts=tuple(part.renamed(names) for part in self.parts))

    def __str__(self) -> str:
        word = " and " if isinstance(self, Every) else " or "
        shown = (f"( {part} )" if isinstance(part, Group) else str(part) for part in self.parts)
        return word.join(shown)


@dataclass(frozen=True, slots=True)
class Every(Group):
    """All parts are true."""

    def negated(self) -> Formula:
        """Return the opposite."""
        return some(*(part.negated() for part in self.parts))

    def is_true(self, values: Mapping[Reg, int]) -> bool:
        """Return whether it is true where the registers have these values."""
        return all(part.is_true(values) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some(Group):
    """At least one part is true."""

    def negated(self) -> Formula:
        """Return the opposite."""
        return every(*(part.negated() for part in self.parts))

    def is_true(self, values: Mapping[Reg, int]) -> bool:
        """Return whether it is true where the registers have these values."""
        return any(part.is_true(values) for part in self.parts)


Formula = Bits | Within | InSet | Every | Some


def every(*parts: Formula) -> Formula:
    """Return the conjunction; the two ends of a range become one test."""
    flat = list(_flat(Every, parts))
    for index, part in enumerate(flat):
        for other in flat[index + 1 :]:
            both = _both(part, other)
            if both is not None:
                flat.remove(other)
                flat[index] = both
                break
    return flat[0] if len(flat) == 1 else Every(tuple(flat))


def some(*parts: Formula) -> Formula:
    """Return the disjunction."""
    flat = tuple(_flat(Some, parts))
    return flat[0] if len(flat) == 1 else Some(flat)


def _flat(kind: type[Every | Some], parts: tuple[Formula, ...]) -> Iterator[Formula]:
    for part in parts:
        if isinstance(part, (Every, Some)) and isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _both(one: Formula, other: Formula) -> Within | None:
    """Return what two ranges of a register have in common, if they have."""
    if not (isinstance(one, Within) and isinstance(other, Within) and one.holds and other.holds):
        return None
    low, high = max(one.low, other.low), min(one.high, other.high)
    return Within(one.reg, low=low, high=high) if one.reg == other.reg and low <= high else None
