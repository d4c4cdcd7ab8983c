r"""Long lists of addresses, prefixes or ports, without a node for each.

A list of 100,000 networks as nodes takes seconds to make and to go through, in every pass. Here one
object holds what all of them come to, and makes the node of an element only for who asks for it.
It stands for the tuple of these nodes wherever a set's elements do. Only plain spellings are read,
of which no dialect, name or option changes the meaning; of everything else there is no Listing, and
the parser goes through it element by element, and finds what is wrong.
Depends on nodes and addresses. Neighbours: the parser, identifiers and elements make them.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from struct import iter_unpack
from typing import Final, overload

from netbpf.errors import Span
from netbpf.expr.addresses import parse_dotted
from netbpf.expr.nodes import Identifier, IPv4, Number

LONG: Final = 32
"""From this many elements on a list is worth it."""

Ranges = Sequence[tuple[int, int]]
"""Inclusive ranges of values."""

ADDRESS: Final = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
NETWORK: Final = ADDRESS + r"(?:/(?:0|[1-9][0-9]?))?"
PORT: Final = r"[1-9][0-9]{0,4}"

_LARGEST_PORT: Final = 0xFFFF
_HOSTS: Final = [(1 << 32 - length) - 1 for length in range(33)]  # of a prefix: its host bits


class Listing(Sequence[Identifier]):
    """The identifiers of a list, in the order written.

    `ranges` are their values in that order; `span` is what stands for the place of each.
    """

    __slots__ = ("_members", "ranges", "span", "words")

    def __init__(self, words: Sequence[str], ranges: Ranges, span: Span) -> None:
        self.words = words
        self.ranges = ranges
        self.span = span
        self._members: tuple[tuple[int, int], ...] | None = None

    @property
    def members(self) -> tuple[tuple[int, int], ...]:
        """All values, as ascending ranges that neither overlap nor touch."""
        if self._members is None:
            self._members = merge_ranges(self.ranges)
        return self._members

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[Identifier]:
        return map(self.node, self.words)

    @overload
    def __getitem__(self, index: int) -> Identifier: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Identifier]: ...

    def __getitem__(self, index: int | slice) -> Identifier | Sequence[Identifier]:
        if isinstance(index, slice):
            return tuple(map(self.node, self.words[index]))
        return self.node(self.words[index])

    @abstractmethod
    def node(self, word: str) -> Identifier:
        """Return the node of an element."""


class Networks(Listing):
    """IPv4 addresses and prefixes, without bits beyond their lengths."""

    __slots__ = ()

    def node(self, word: str) -> IPv4:
        """Return the node of an element."""
        found = read_network(word, self.span)
        assert found is not None
        return found

    @property
    def whole(self) -> bool:
        """Whether all of them are single addresses."""
        return all(low == high for low, high in self.ranges)


class Ports(Listing):
    """Numbers of 16 bits."""

    __slots__ = ()

    def node(self, word: str) -> Number:
        """Return the node of an element."""
        return Number(int(word), self.span)


def read_network(word: str, span: Span) -> IPv4 | None:
    """Read '10.1.2.3' or '10.1.2.0/24'; None for everything else, and for bits beyond a length."""
    address, slash, digits = word.partition("/")
    dotted = parse_dotted(address)
    if dotted is None or dotted[1] != 32:
        return None
    if not slash:
        return IPv4(address, dotted[0], 32, span)
    if not re.fullmatch("0|[1-9][0-9]?", digits) or int(digits) > 32:
        return None
    length = int(digits)
    if dotted[0] & _HOSTS[length]:
        return None
    return IPv4(address, dotted[0], 32, span, None if length == 32 else length)


def read_listing(words: Sequence[str], span: Span) -> Listing | None:
    """Return the list of these words; None if they are not many, or not all plain and of a kind."""
    if len(words) < LONG:
        return None
    text = "\n".join(words)  # no word has a line's end in it
    for pattern, read in ((NETWORK, read_networks), (PORT, read_ports)):
        if _list_pattern(pattern).fullmatch(text):
            return read(words, span)
    return None


@lru_cache(maxsize=2)
def _list_pattern(element: str) -> re.Pattern[str]:
    return re.compile(f"{element}(?:\\n{element})*")


def read_networks(words: Sequence[str], span: Span) -> Networks | None:
    """Return the list of words that look like NETWORK; None if one of them is none."""
    numbers = " ".join([word if "/" in word else word + "/32" for word in words])
    try:
        packed = bytes(map(int, numbers.replace(".", " ").replace("/", " ").split()))
    except ValueError:  # a number above 255
        return None
    if max(packed[4::5]) > 32:
        return None
    prefixes = list(iter_unpack(">IB", packed))
    if any([value & _HOSTS[length] for value, length in prefixes]):  # noqa: C419 - twice as fast
        return None
    return Networks(words, [(value, value | _HOSTS[length]) for value, length in prefixes], span)


def read_ports(words: Sequence[str], span: Span) -> Ports | None:
    """Return the list of words that look like PORT; None if one of them is none."""
    values = [int(word) for word in words]
    if max(values) > _LARGEST_PORT:
        return None
    return Ports(words, [(value, value) for value in values], span)


def merge_ranges(ranges: Ranges) -> tuple[tuple[int, int], ...]:
    """Return the same numbers as ascending ranges that neither overlap nor touch."""
    found: list[tuple[int, int]] = []
    first, last = 0, -2  # of the range under way
    for low, high in sorted(ranges, key=itemgetter(0)):
        if low > last + 1:
            found.append((first, last))
            first, last = low, high
        elif high > last:
            last = high
    found.append((first, last))
    return tuple(found[1:])
