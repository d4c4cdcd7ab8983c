"""A Listing is what its elements are."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from netbpf.compiler import Options, compile  # noqa: A004
from netbpf.errors import InputError, Span
from netbpf.expr.elements import parse_elements
from netbpf.expr.listing import LONG, Listing, Networks, Ports, merge_ranges, read_listing
from netbpf.expr.nodes import IPv4, Number

SPAN = Span(0, 0)
NETWORKS = [*(f"10.{n}.7.1" for n in range(LONG)), "10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32"]
PORTS = [str(number) for number in range(1, 2 * LONG, 2)]


def one_by_one(words: list[str]) -> tuple[object, ...]:
    """Return the elements as a short file has them."""
    return tuple(element for word in words for element in parse_elements(word))


@pytest.mark.parametrize(("words", "kind"), [(NETWORKS, Networks), (PORTS, Ports)])
def test_elements(words: list[str], kind: type[Listing]) -> None:
    listing = parse_elements("# first\n" + "\n".join(f"  {word} # and" for word in words))
    assert isinstance(listing, kind)
    assert tuple(listing) == one_by_one(words)
    assert (len(listing), listing[1]) == (len(words), one_by_one(words)[1])
    assert listing[:2] == one_by_one(words)[:2]


def test_ranges_are_in_the_order_written() -> None:
    listing = read_listing(["9.0.0.0/8", *NETWORKS], SPAN)
    assert listing is not None
    assert listing.ranges[0] == (0x09000000, 0x09FFFFFF)
    assert listing.ranges[-1] == (0x01020304, 0x01020304)
    assert listing.members == ((0, 0xFFFFFFFF),)


@pytest.mark.parametrize(
    "odd",
    [
        "1.2.3",
        "1.2.3.256",
        "1.2.3.4/24",
        "1.2.3.0/33",
        "::1",
        "web",
        "1.2.3.0/08",
        "7",
        "1.2.3.4 5.6.7.8",
    ],
)
def test_what_is_no_plain_network(odd: str) -> None:
    assert read_listing([*NETWORKS, odd], SPAN) is None


@pytest.mark.parametrize("odd", ["0", "65536", "080", "0x50", "1-2", "http", "1.2.3.4", "1 2"])
def test_what_is_no_plain_port(odd: str) -> None:
    assert read_listing([*PORTS, odd], SPAN) is None


def test_short_lists_are_tuples() -> None:
    assert parse_elements("\n".join(PORTS[: LONG - 1])) == one_by_one(PORTS[: LONG - 1])


def test_a_wrong_line_is_named() -> None:
    with pytest.raises(InputError, match=f"set 'x', line {len(NETWORKS) + 1}: non-network bits"):
        parse_elements("\n".join([*NETWORKS, "10.0.0.1/8"]), name="x")


def test_numbers_may_be_anything() -> None:
    """A list of numbers is not only for ports: `proto in @set`, `host in @set`."""
    listing = parse_elements("\n".join(PORTS))
    short = tuple(Number(int(word), SPAN) for word in PORTS)
    for text in ("ip proto in @set", "port in @set", "tcp src port in @set", "host in @set"):
        codes = [compile(text, options=Options(sets={"set": it})).insns for it in (listing, short)]
        assert codes[0] == codes[1]


@pytest.mark.parametrize("text", ["src net in @set", "net in @set", "src and dst net in @set"])
def test_networks_mean_the_same(text: str) -> None:
    words = [word for word in NETWORKS if word != "0.0.0.0/0"]
    listing = parse_elements("\n".join(words))
    assert isinstance(listing, Networks)
    both = [Options(sets={"set": elements}) for elements in (listing, tuple(listing))]
    codes = [compile(text, options=options).insns for options in both]
    assert codes[0] == codes[1]


def test_merge_ranges() -> None:
    rng = random.Random(1)
    for _ in range(200):
        lows = [rng.randrange(60) for _ in range(rng.randrange(8))]
        ranges = [(low, low + rng.randrange(4)) for low in lows]
        merged = merge_ranges(ranges)
        values = {value for low, high in ranges for value in range(low, high + 1)}
        assert {value for low, high in merged for value in range(low, high + 1)} == values
        assert all(high + 1 < low for (_, high), (low, _) in pairwise(merged))


def test_a_node_carries_the_span_of_its_list() -> None:
    listing = read_listing(NETWORKS, Span(3, 9))
    assert listing is not None
    assert listing[0] == IPv4("10.0.7.1", 0x0A000701, 32, Span(3, 9))
