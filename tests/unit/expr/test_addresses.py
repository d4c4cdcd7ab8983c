"""Addresses as text."""

from __future__ import annotations

import random
from ipaddress import AddressValueError, IPv6Address

import pytest

from netbpf.expr.addresses import parse_dotted, parse_ipv6, parse_mac


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1", (0x0A01, 16)),
        ("10.1.2", (0x0A0102, 24)),
        ("10.1.2.3", (0x0A010203, 32)),
        ("010.001.2.3", (0x0A010203, 32)),  # no octal here
        ("000000001.2", (0x0102, 16)),
        ("256.1", None),
        ("12.500", None),
        ("0x10.1", None),
        ("1..2", None),
        ("1.2.99999999999999999999", None),
    ],
)
def test_dotted(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_dotted(text) == expected


def test_ipv6_agrees_with_the_standard_library() -> None:
    draw = random.Random(1)
    groups = ["0", "1", "ab", "ffff", "12345", "", "10.0.0.1", "256.0.0.1", "g"]
    accepted = 0
    for _ in range(20_000):
        text = ":".join(draw.choices(groups, [9, 9, 9, 9, 1, 9, 2, 1, 1], k=draw.randint(2, 9)))
        try:
            expected: int | None = int(IPv6Address(text))
        except AddressValueError:
            expected = None
        assert parse_ipv6(text) == expected, text
        accepted += expected is not None
    assert accepted > 500


@pytest.mark.parametrize("text", ["::01.2.3.4", "::1.2.3", "1::2::3", ":1", "1:", ":::", ""])
def test_not_ipv6(text: str) -> None:
    assert parse_ipv6(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("02:00:00:00:00:01", 0x020000000001),
        ("2:0:0:0:0:1", 0x020000000001),
        ("ab-cd-ef-01-02-03", 0xABCDEF010203),
        ("1.2.3.4.5.6", 0x010203040506),
        ("abcd.ef01.0203", 0xABCDEF010203),
        ("ABCDEF010203", 0xABCDEF010203),
        ("1:2:3:4:5", None),
        ("1:2:3:4:5:678", None),
        ("abcd.ef01.023", None),
        ("1:2-3:4:5:6", None),
    ],
)
def test_mac(text: str, value: int | None) -> None:
    assert parse_mac(text) == value
