"""Tests whether a field, or either of a pair, is in a set.

A set means what `or` between its elements means, in the order in which they are written, also on
cut-off packets: the source is compared with the first element before the destination is loaded.
Depends on ir.builder and common.tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from netbpf.expr.listing import Listing, merge_ranges
from netbpf.expr.lower.common.tests import every, masked, some
from netbpf.expr.lower.layers import Test
from netbpf.expr.nodes import Direction
from netbpf.ir.builder import Builder
from netbpf.ir.program import Cmp, Label, Reg
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """low <= x <= high."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Masked:
    """(x & mask) == value, for masks with holes."""

    value: int
    mask: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A long list of ranges: the first one written, and all of them as `merged` gives them."""

    first: Range
    members: tuple[tuple[int, int], ...]


Element = Range | Masked | Listed

Read = Callable[[], Reg]
"""Emits the load of a field."""

TABLE = 3
"""From this many elements on, a set is one Member instead of a comparison each."""


def pair_in(
    builder: Builder, src: Read, dst: Read, elements: Sequence[Element], direction: Direction | None
) -> Test:
    """Return the test that the source, the destination, either or both are in one element."""
    if direction in (Direction.SRC, Direction.DST):
        return _field_in(builder, src if direction is Direction.SRC else dst, elements)
    if direction is Direction.AND:
        return some(
            builder,
            *(
                every(builder, _is(builder, src, element), _is(builder, dst, element))
                for element in elements
            ),
        )
    return some(builder, *(_either_in(builder, src, dst, run) for run in _runs(elements)))


def listed(listing: Listing) -> Listed:
    """Return the element that a list is."""
    return Listed(Range(*listing.ranges[0]), listing.members)


def merged(ranges: Iterable[Range]) -> tuple[tuple[int, int], ...]:
    """Return the same numbers as ascending ranges that neither overlap nor touch."""
    return merge_ranges([(item.low, item.high) for item in ranges])


def _field_in(builder: Builder, read: Read, elements: Sequence[Element]) -> Test:
    tests: list[Test] = []
    for run in _runs(elements):
        if _is_table(run):
            tests.append(_member(builder, read, run))
        else:
            tests.extend(_is(builder, read, element) for element in run)
    return some(builder, *tests)


def _either_in(builder: Builder, src: Read, dst: Read, run: Sequence[Element]) -> Test:
    """Source or destination, of one run.

    With both loaded the order of the comparisons is nobody's concern any more.
    """
    if not _is_table(run):
        pairs = (
            some(builder, _is(builder, src, element), _is(builder, dst, element)) for element in run
        )
        return some(builder, *pairs)
    return some(
        builder,
        _is(builder, src, run[0]),
        _loaded(builder, dst),
        _member(builder, src, run),
        _member(builder, dst, run),
    )


def _runs(elements: Sequence[Element]) -> list[list[Element]]:
    """Split into stretches that one Member can hold: ranges, or a mask or a list by itself."""
    runs: list[list[Element]] = []
    for element in elements:
        if not runs or not (isinstance(element, Range) and isinstance(runs[-1][-1], Range)):
            runs.append([])
        runs[-1].append(element)
    return runs


def _is_table(run: Sequence[Element]) -> bool:
    return len(run) >= TABLE or isinstance(run[0], Listed)


def _loaded(builder: Builder, read: Read) -> Test:
    """Only load: a test that never holds."""

    def emit(_: Label, no: Label) -> None:
        read()
        builder.jump(no)

    return emit


def _member(builder: Builder, read: Read, run: Sequence[Element]) -> Test:
    first = run[0]
    if isinstance(first, Listed):
        members = first.members
    else:
        members = merged(item for item in run if isinstance(item, Range))

    def emit(yes: Label, no: Label) -> None:
        builder.member((read(),), members, yes, no)

    return emit


def _is(builder: Builder, read: Read, element: Element) -> Test:
    """Return the test for a single element, the first one of a list."""
    if isinstance(element, Listed):
        element = element.first
    if isinstance(element, Masked):
        value, mask = element.value, element.mask
        return lambda yes, no: masked(builder, read(), mask, value, yes, no)

    def emit(yes: Label, no: Label) -> None:
        reg, size = read(), element.high - element.low + 1
        if size & (size - 1) == 0 and element.low % size == 0:
            masked(builder, reg, 0xFFFFFFFF & -size, element.low, yes, no)
            return
        above = builder.label()
        builder.branch(Cmp.GE, reg, element.low, above, no)
        builder.place(above)
        builder.branch(Cmp.GT, reg, element.high, no, yes)

    return emit
