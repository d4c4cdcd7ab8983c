"""Ethernet addresses (IEEE 802.3, 3.2): `ether host`, broadcast and multicast.

An address is compared from its end: four bytes, then the first two.
Depends on lower.layers and common.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.errors import Span
from netbpf.expr.lower.common.sets import Range, merged
from netbpf.expr.lower.common.tests import bytes_are, every, some
from netbpf.expr.lower.common.words import check_direction, not_on_linktype
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Direction
from netbpf.ir.program import Cmp, Label
from netbpf.proto.linktype import LinkType

DESTINATION = 0
SOURCE = 6
BROADCAST = 0xFFFFFFFFFFFF

TABLE = 3
"""From this many addresses on, a set is one Member."""


def ethernet_is(
    layers: Layers,
    addresses: Sequence[int],
    direction: Direction | None,
    span: Span,
    *,
    context: str,
) -> Test:
    """Return the test for Ethernet addresses. Raises ExpressionError on other link types."""
    builder = layers.builder
    if layers.linktype is not LinkType.EN10MB:
        raise not_on_linktype(layers, context, span)
    check_direction(layers, direction, span)
    if direction in (Direction.SRC, Direction.DST):
        at = SOURCE if direction is Direction.SRC else DESTINATION
        found = _address_in(layers, at, addresses)
    elif direction is Direction.AND:
        found = some(
            builder,
            *(
                every(builder, _is(layers, SOURCE, a), _is(layers, DESTINATION, a))
                for a in addresses
            ),
        )
    else:
        found = some(
            builder,
            _address_in(layers, SOURCE, addresses),
            _address_in(layers, DESTINATION, addresses),
        )
    return every(builder, present(layers), found)


def present(layers: Layers) -> Test:
    """Return the test that there is an Ethernet header (there may be none within Geneve)."""

    def emit(yes: Label, no: Label) -> None:
        layers.require_ethernet(no)
        layers.builder.jump(yes)

    return emit


def multicast(layers: Layers, span: Span) -> Test:
    """Return the test for a group address as destination: the first byte's lowest bit."""
    if layers.linktype is not LinkType.EN10MB:
        raise not_on_linktype(layers, "multicast", span)

    def emit(yes: Label, no: Label) -> None:
        link = layers.link()
        reg = layers.load(link.base, link.offset + DESTINATION, 1)
        layers.builder.branch(Cmp.SET, reg, 1, yes, no)

    return every(layers.builder, present(layers), emit)


def _is(layers: Layers, at: int, address: int) -> Test:
    return bytes_are(layers, layers.link, at, address.to_bytes(6, "big"))


def _address_in(layers: Layers, at: int, addresses: Sequence[int]) -> Test:
    """The first load reaches farthest, so a set decides like its elements one after the other."""
    if len(addresses) < TABLE:
        return some(layers.builder, *(_is(layers, at, address) for address in addresses))
    members = merged(Range(address, address) for address in addresses)

    def emit(yes: Label, no: Label) -> None:
        link, builder = layers.link(), layers.builder
        low = layers.load(link.base, link.offset + at + 2, 4)
        high = layers.load(link.base, link.offset + at, 2)
        zero = builder.const(0)
        builder.member((zero, zero, high, low), members, yes, no)

    return emit
