"""Broadcast and multicast, on Ethernet and in IP.

Sources: RFC 1122 §3.3.6 (broadcast), RFC 1112 (IPv4 groups), RFC 4291 §2.7 (IPv6 groups).
Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.expr.lower.common import ethernet
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import every, field_is, refuse, some
from netbpf.expr.lower.common.words import invalid_qualifier
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Broadcast, Direction, Multicast, Proto
from netbpf.ir.program import U32, Cmp, Label
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import IPV4_DST, IPV6_DST


def broadcast(layers: Layers, node: Broadcast) -> Test:
    """Return the test for a broadcast destination: Ethernet's, or the IPv4 network's."""
    if node.proto in (None, Proto.LINK):
        return ethernet.ethernet_is(
            layers, [ethernet.BROADCAST], Direction.DST, node.span, context="broadcast"
        )
    if node.proto is not Proto.IP:
        assert node.proto is not None
        raise invalid_qualifier(layers, node.proto.value, "broadcast", node.span)
    if layers.env.netmask in (None, U32):
        raise refuse(layers, "netmask not known, so 'ip broadcast' not supported", node.span)
    assert layers.env.netmask is not None
    host = ~layers.env.netmask & U32
    at, width = IPV4_DST.offset, IPV4_DST.width
    return every(
        layers.builder,
        link_protocol_is(layers, EtherType.IPV4, node.span),
        some(
            layers.builder,
            field_is(layers, layers.network, at, width, 0, host),
            field_is(layers, layers.network, at, width, host, host),
        ),
    )


def multicast(layers: Layers, node: Multicast) -> Test:
    """Return the test for a group address as destination."""
    if node.proto in (None, Proto.LINK):
        return ethernet.multicast(layers, node.span)
    if node.proto is Proto.IP:
        ethertype = EtherType.IPV4
        group = _ipv4_group(layers)
    elif node.proto is Proto.IP6:
        ethertype = EtherType.IPV6
        group = field_is(layers, layers.network, IPV6_DST, 1, 0xFF)
    else:
        assert node.proto is not None
        raise invalid_qualifier(layers, node.proto.value, "multicast", node.span)
    return every(layers.builder, link_protocol_is(layers, ethertype, node.span), group)


def _ipv4_group(layers: Layers) -> Test:
    """224.0.0.0/4, and what is above it, as by libpcap 1.10: 255.255.255.255 is one of them."""

    def emit(yes: Label, no: Label) -> None:
        network = layers.network()
        first = layers.load(network.base, network.offset + IPV4_DST.offset, 1)
        layers.builder.branch(Cmp.GE, first, 0xE0, yes, no)

    return emit
