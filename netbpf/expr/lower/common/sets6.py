"""Tests whether IPv6 addresses are in a set of prefixes.

An address is compared word by word, and a word is loaded only where those before it agree, then
even if the prefix leaves it open: that is libpcap's order of loads. A large set keeps to it level
by level: which addresses agree with an element in the first word, which in the first two, … Only
where a large set is asked of source *or* destination, all of it is compared with the source before
all but the first element is with the destination: a packet that ends within its destination
address, and only such a packet, may match where element after element would give "no match".
Depends on ir.builder and common.tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.expr.lower.common.sets import Range, merged
from netbpf.expr.lower.common.tests import every, field_is, some
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Direction
from netbpf.ir.program import U32, Label, Reg
from netbpf.records import dataclass

SMALL = 8
"""Up to this many elements, each is compared by itself."""

WORDS = 4


@dataclass(frozen=True, slots=True)
class Prefix6:
    """An IPv6 prefix: the address as a number, no bits set behind `length`."""

    value: int
    length: int

    def first(self, words: int) -> Range:
        """Return what the first words of its addresses are, as a number of that many words."""
        high = self.value | ((1 << 128 - self.length) - 1)
        shift = 128 - 32 * words
        return Range(self.value >> shift, high >> shift)


def pair_in6(
    layers: Layers,
    src: int,
    dst: int,
    prefixes: Sequence[Prefix6],
    direction: Direction | None,
) -> Test:
    """Return the test that an address of the pair, at offsets `src` and `dst`, is in the set."""
    builder = layers.builder
    if direction in (Direction.SRC, Direction.DST):
        return _address_in(layers, src if direction is Direction.SRC else dst, prefixes)
    if direction is Direction.AND:
        both = (every(builder, _is(layers, src, p), _is(layers, dst, p)) for p in prefixes)
        return some(builder, *both)
    if len(prefixes) <= SMALL:
        pairs = (test for p in prefixes for test in (_is(layers, src, p), _is(layers, dst, p)))
        return some(builder, *pairs)
    return some(
        builder,
        _is(layers, src, prefixes[0]),
        _is(layers, dst, prefixes[0]),
        _address_in(layers, src, prefixes),
        _address_in(layers, dst, prefixes),
    )


def _is(layers: Layers, offset: int, prefix: Prefix6) -> Test:
    """Return the test for one prefix: words in order, until one differs."""
    mask = ((1 << prefix.length) - 1) << 128 - prefix.length
    tests = []
    for word in range(WORDS):
        shift = 32 * (WORDS - 1 - word)
        value, part = prefix.value >> shift & U32, mask >> shift & U32
        tests.append(field_is(layers, layers.network, offset + 4 * word, 4, value, part))
    return every(layers.builder, *tests)


def _word(layers: Layers, offset: int, word: int) -> Reg:
    network = layers.network()
    return layers.load(network.base, network.offset + offset + 4 * word, 4)


def _address_in(layers: Layers, offset: int, prefixes: Sequence[Prefix6]) -> Test:
    builder = layers.builder
    if len(prefixes) <= SMALL:
        return some(builder, *(_is(layers, offset, prefix) for prefix in prefixes))
    longest = max(prefix.length for prefix in prefixes)
    levels = [
        merged(prefix.first(words) for prefix in prefixes)
        for words in range(1, WORDS + 1)
        if longest > 32 * (words - 1)  # the last words are open in all prefixes
    ]

    def emit(yes: Label, no: Label) -> None:
        loaded: list[Reg] = []
        for members in levels:
            loaded.append(_word(layers, offset, len(loaded)))
            deeper = builder.label()
            builder.member(tuple(loaded), members, deeper, no)
            builder.place(deeper)
        for index in range(len(levels), WORDS):
            _word(layers, offset, index)
        builder.jump(yes)

    return emit
