"""Internet addresses: `host` and `net` for IPv4 (with ARP and RARP) and IPv6.

Sources: RFC 791, 826, 903, 8200. Depends on lower.layers, common.tests, common.sets and proto.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.errors import Span
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets import Element, Masked, Range, Read, pair_in
from netbpf.expr.lower.common.sets6 import Prefix6, pair_in6
from netbpf.expr.lower.common.tests import every, negated, some
from netbpf.expr.lower.common.words import check_direction, invalid_qualifier
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Direction, Proto
from netbpf.ir.program import U32, Reg
from netbpf.proto.ethertype import EtherType
from netbpf.proto.field import Field
from netbpf.proto.ip import ARP_DST, ARP_SRC, IPV4_DST, IPV4_SRC, IPV6_DST, IPV6_SRC

_Family = tuple[tuple[EtherType, ...], Field, Field]

_FAMILIES: dict[Proto, _Family] = {
    Proto.IP: ((EtherType.IPV4,), IPV4_SRC, IPV4_DST),
    Proto.ARP: ((EtherType.ARP,), ARP_SRC, ARP_DST),
    Proto.RARP: ((EtherType.RARP,), ARP_SRC, ARP_DST),
}
_ALL: tuple[_Family, ...] = (
    _FAMILIES[Proto.IP],
    ((EtherType.ARP, EtherType.RARP), ARP_SRC, ARP_DST),
)


def ipv4_is(
    layers: Layers,
    elements: Sequence[Element],
    proto: Proto | None,
    direction: Direction | None,
    span: Span,
    *,
    context: str,
    opposite: bool = False,
) -> Test:
    """Return the test for IPv4 addresses in IPv4, ARP and RARP, or the one that `proto` names.

    `opposite` asks for packets of these protocols with none of the addresses. `context` is what
    errors call the primitive.
    """
    check_direction(layers, direction, span)
    if proto is not None and proto not in _FAMILIES:
        raise invalid_qualifier(layers, proto.value, context, span)
    families = _ALL if proto is None else (_FAMILIES[proto],)
    if proto is None and layers.labels:
        families = _ALL[:1]
    return some(
        layers.builder,
        *(_in_family(layers, family, elements, direction, span, opposite) for family in families),
    )


def net4(value: int, mask: int) -> Element:
    """Return the element for an IPv4 address and its mask; no bit of it is outside the mask."""
    rest = ~mask & U32
    if rest & (rest + 1):  # a mask with holes
        return Masked(value, mask)
    return Range(value, value | rest)


def _in_family(
    layers: Layers,
    family: _Family,
    elements: Sequence[Element],
    direction: Direction | None,
    span: Span,
    opposite: bool,
) -> Test:
    ethertypes, source, destination = family
    found = pair_in(
        layers.builder, _reader(layers, source), _reader(layers, destination), elements, direction
    )
    return every(
        layers.builder,
        some(layers.builder, *(link_protocol_is(layers, one, span) for one in ethertypes)),
        negated(found) if opposite else found,
    )


def _reader(layers: Layers, field: Field) -> Read:
    """Return what loads a field of the network header."""

    def read() -> Reg:
        network = layers.network()
        return layers.load(network.base, network.offset + field.offset, field.width)

    return read


def ipv6_is(
    layers: Layers,
    prefixes: Sequence[Prefix6],
    proto: Proto | None,
    direction: Direction | None,
    span: Span,
    *,
    context: str,
) -> Test:
    """Return the test for IPv6 addresses."""
    check_direction(layers, direction, span)
    if proto not in (None, Proto.IP6):
        raise invalid_qualifier(layers, proto.value, context, span)
    return every(
        layers.builder,
        link_protocol_is(layers, EtherType.IPV6, span),
        pair_in6(layers, IPV6_SRC, IPV6_DST, prefixes, direction),
    )
