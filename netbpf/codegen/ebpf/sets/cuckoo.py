"""Find a place for every value of a hash table; see `hashed`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import islice

from netbpf.ir.program import U32

FOLD = 29
"""An odd number near half of 64 bits, by which high bits are made to change low ones, too."""

Factors = tuple[int, int, int]
"""What the words of a value are multiplied by, 64 bits at a time, and then their sum."""

Found = tuple[Sequence[int], int, Factors]
"""The values in their places, the bits of a place's number in a half, the factors."""

_U64 = (1 << 64) - 1
_LEAST = 3  # bits
_MOST_SINGLE = 13  # bits: above 8,192 places two halves take less than one without collisions
_ATTEMPTS = 64  # at a table without collisions, of which an eighth succeeds
_MOST_MOVES = 500  # of values that make room for one
_PATIENCE = 4  # tables without room until the next are made larger


def without_collisions(values: Sequence[int], words: int) -> Found | None:
    """Give each value a place of its own, None where that takes too many."""
    bits = max(_LEAST, (len(values) ** 2 // 5).bit_length())
    if bits > _MOST_SINGLE:
        return None
    for factors in islice(_factors(), _ATTEMPTS):
        places = [high for high, _ in _places(values, words, bits, factors)]
        if len(set(places)) == len(values):
            found = [values[0]] * (1 << bits)
            for place, value in zip(places, values, strict=True):
                found[place] = value
            return found, bits, factors
    return None


def with_halves(values: Sequence[int], words: int) -> Found:
    """Give each value one of its two places; at most half of all are taken."""
    bits = max(_LEAST, (len(values) - 1).bit_length())
    for attempt, factors in enumerate(_factors(), 1):
        both = _cuckoo(values, [*_places(values, words, bits, factors)], bits)
        if both is not None:
            return both, bits, factors
        bits += attempt % _PATIENCE == 0
    raise AssertionError("the factors never end")


def content(values: Sequence[int], words: int) -> bytes:
    """Return values as the words that they are compared as: 32 bits, 64, or twice 64."""
    if words == 1:
        return array("I", values).tobytes()
    if words == 2:
        return array("Q", values).tobytes()
    return array("Q", [part for pair in _pairs(values, words) for part in pair]).tobytes()


def _factors() -> Iterator[Factors]:
    """Yield odd numbers of 64 bits for ever, always the same (SplitMix64, Steele et al., 2014)."""
    state, drawn = 0, []
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _U64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _U64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _U64
        drawn.append((z ^ z >> 31) | 1)
        if len(drawn) == 3:
            yield drawn[0], drawn[1], drawn[2]
            drawn = []


def _places(
    values: Sequence[int], words: int, bits: int, factors: Factors
) -> Iterator[tuple[int, int]]:
    """Yield each value's places in the two halves."""
    first, second, last = factors
    high, low = 64 - bits, 32 - bits
    if words == 1:
        for value in values:
            product = value * first & _U64
            yield product >> high, (product & U32) >> low
        return
    for head, tail in _pairs(values, words):
        product = head * first + tail * second & _U64
        product = (product ^ product >> FOLD) * last & _U64
        yield product >> high, (product & U32) >> low


def _pairs(values: Sequence[int], words: int) -> Iterator[tuple[int, int]]:
    """Yield values of more words than one as two numbers of 64 bits."""
    room = 64 if words < 3 else 128
    for value in values:
        whole = value << room - 32 * words
        yield (whole, 0) if room == 64 else (whole >> 64, whole & _U64)


def _cuckoo(
    values: Sequence[int], places: Sequence[tuple[int, int]], bits: int
) -> list[int] | None:
    """Return both halves, or None where some value finds no place."""
    half = 1 << bits
    places = [(high, half + low) for high, low in places]
    owners = [-1] * (2 * half)
    for start, (first, second) in enumerate(places):
        if owners[first] < 0:
            owners[first] = start
            continue
        moving, at = start, second
        for _ in range(_MOST_MOVES):
            moving, owners[at] = owners[at], moving
            if moving < 0:
                break
            first, second = places[moving]
            at = first if at == second else second
        else:
            return None
    return [values[max(owner, 0)] for owner in owners]
