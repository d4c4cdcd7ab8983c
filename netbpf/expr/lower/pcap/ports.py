"""Ports and IP protocols, as libpcap looks for them.

IPv6 extension headers are not walked: ports stand right behind the fixed header; a protocol may
also stand in a fragment header that is the first of them. Of an IPv4 datagram only the first
fragment has ports. Sources: RFC 791, 8200, 9293, 768, 9260.
Depends on pcap.layers and common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netbpf.errors import Span
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets import Element, Read, pair_in
from netbpf.expr.lower.common.tests import every, field_is, some
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.layers import PcapLayers
from netbpf.expr.nodes import Direction
from netbpf.ir.program import Cmp, Label, Reg
from netbpf.proto.ethertype import EtherType
from netbpf.proto.field import Field
from netbpf.proto.ip import (
    DESTINATION_PORT,
    IPV4_FRAGMENT,
    IPV4_OFFSET_MASK,
    IPV4_PROTOCOL,
    IPV6_LENGTH,
    IPV6_NEXT,
    SOURCE_PORT,
    IpProtocol,
)


def port4(
    layers: PcapLayers,
    ranges: Sequence[Element],
    protocols: Sequence[int],
    direction: Direction | None,
    span: Span,
) -> Test:
    """Return the test for ports of an IPv4 packet that is no later fragment."""
    return every(
        layers.builder,
        ipv4_protocol_is(layers, protocols, span),
        unfragmented(layers),
        _ports_are(layers, layers.transport4, ranges, direction),
    )


def port6(
    layers: PcapLayers,
    ranges: Sequence[Element],
    protocols: Sequence[int],
    direction: Direction | None,
    span: Span,
) -> Test:
    """Return the test for ports right behind the IPv6 header."""
    return every(
        layers.builder,
        next_header_is(layers, protocols, span),
        _ports_are(layers, layers.transport6, ranges, direction),
    )


def ipv4_protocol_is(layers: PcapLayers, numbers: Sequence[int], span: Span) -> Test:
    """Return the test for IPv4 with one of these protocols."""
    return every(
        layers.builder,
        link_protocol_is(layers, EtherType.IPV4, span),
        some(layers.builder, *(_network_field_is(layers, IPV4_PROTOCOL, n) for n in numbers)),
    )


def ipv6_protocol_is(layers: PcapLayers, number: int, span: Span) -> Test:
    """Return the test for IPv6 whose header, or fragment header behind it, names a protocol."""
    builder = layers.builder
    in_fragment = every(
        builder,
        _network_field_is(layers, IPV6_NEXT, IpProtocol.FRAGMENT),
        field_is(layers, layers.network, IPV6_LENGTH, 1, number),
    )
    return every(
        builder,
        link_protocol_is(layers, EtherType.IPV6, span),
        some(builder, _network_field_is(layers, IPV6_NEXT, number), in_fragment),
    )


def next_header_is(layers: PcapLayers, numbers: Sequence[int], span: Span) -> Test:
    """Return the test for IPv6 whose fixed header names one of these protocols."""
    return every(
        layers.builder,
        link_protocol_is(layers, EtherType.IPV6, span),
        some(layers.builder, *(_network_field_is(layers, IPV6_NEXT, n) for n in numbers)),
    )


def unfragmented(layers: PcapLayers) -> Test:
    """Return the test for a fragment offset of 0."""

    def emit(yes: Label, no: Label) -> None:
        network = layers.network()
        reg = layers.load(network.base, network.offset + IPV4_FRAGMENT.offset, 2)
        layers.builder.branch(Cmp.SET, reg, IPV4_OFFSET_MASK, no, yes)

    return emit


def _network_field_is(layers: PcapLayers, field: Field, value: int) -> Test:
    return field_is(layers, layers.network, field.offset, field.width, value)


def _ports_are(
    layers: PcapLayers,
    transport: Callable[[], Origin],
    ranges: Sequence[Element],
    direction: Direction | None,
) -> Test:
    source, destination = (_reader(layers, transport, at) for at in (SOURCE_PORT, DESTINATION_PORT))
    return pair_in(layers.builder, source, destination, ranges, direction)


def _reader(layers: PcapLayers, transport: Callable[[], Origin], field: Field) -> Read:
    def read() -> Reg:
        origin = transport()
        return layers.load(origin.base, origin.offset + field.offset, field.width)

    return read
