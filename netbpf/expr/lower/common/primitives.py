"""Primitives with an identifier: `[proto] [dir] [kind] id`, and sets of them.

What an identifier may stand for depends on the qualifiers before it; complaints are libpcap's.
Depends on lower.layers and the other files of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netbpf.expr.listing import Listing, Ports
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets import Element, Range, listed
from netbpf.expr.lower.common.tests import check_most, constant, refuse, some
from netbpf.expr.lower.common.words import check_ether, invalid_qualifier, wrong_kind
from netbpf.expr.lower.layers import Stack, Test
from netbpf.expr.nodes import (
    AddressSet,
    Direction,
    Identifier,
    Kind,
    Mac,
    Number,
    PortRange,
    Primitive,
    Proto,
    ProtoNumber,
    Qualifiers,
)
from netbpf.proto.ip import IpProtocol


def primitive_holds(stack: Stack, node: Primitive) -> Test:
    """Return the test of a primitive. Raises ExpressionError for qualifiers that do not fit it."""
    kind, quals = node.quals.kind, node.quals
    elements = node.ident.elements if isinstance(node.ident, AddressSet) else (node.ident,)
    for element in () if isinstance(elements, Listing) else elements:
        if isinstance(element, Mac):
            check_ether(stack, element, quals)
    if not elements:
        return constant(stack.builder, False)
    if quals.proto is not Proto.DECNET:
        if kind in (Kind.PORT, Kind.PORTRANGE):
            return _ports(stack, elements, node)
        if kind in (Kind.PROTO, Kind.PROTOCHAIN):
            return _each(stack, elements, quals, _protocol)
    # Not at every start: ports and protocols need none of it.
    from netbpf.expr.lower.common.addresses import addresses_are, decnet_host_is, gateway_is

    if quals.proto is Proto.DECNET:
        return _each(stack, elements, quals, decnet_host_is)
    if kind is Kind.GATEWAY:
        return _each(stack, elements, quals, gateway_is)
    return addresses_are(stack, elements, quals, node.ident.span)


# -- ports -------------------------------------------------------------------------------------

_PORT_PROTOCOLS = {
    None: None,
    Proto.TCP: IpProtocol.TCP,
    Proto.UDP: IpProtocol.UDP,
    Proto.SCTP: IpProtocol.SCTP,
}


def _ports(stack: Stack, elements: Sequence[Identifier], node: Primitive) -> Test:
    """Lower `port` and `portrange`; neighbours of the same protocol form a set."""
    kind, direction = node.quals.kind, node.quals.direction
    assert kind is not None
    proto = node.quals.proto
    if proto not in _PORT_PROTOCOLS:
        assert proto is not None
        raise invalid_qualifier(stack, proto.value, kind.value, node.span)
    if direction not in (None, Direction.SRC, Direction.DST, Direction.OR, Direction.AND):
        assert direction is not None
        raise invalid_qualifier(stack, direction.value, kind.value, node.span)
    if isinstance(elements, Ports) and direction is not Direction.AND:
        return stack.ports_are([listed(elements)], _PORT_PROTOCOLS[proto], direction, node.span)
    runs: list[tuple[IpProtocol | None, list[Element]]] = []
    for element in elements:
        low, high, named = _port_range(stack, element, node.quals)
        protocol = _PORT_PROTOCOLS[named]
        if not runs or runs[-1][0] is not protocol:
            runs.append((protocol, []))
        runs[-1][1].append(Range(low, high))
    tests = [stack.ports_are(ports, protocol, direction, node.span) for protocol, ports in runs]
    return tests[0] if len(tests) == 1 else some(stack.builder, *tests)


def _port_range(
    stack: Stack, element: Identifier, quals: Qualifiers
) -> tuple[int, int, Proto | None]:
    """Return low, high, and the protocol that the qualifier or the service's name gives."""
    if isinstance(element, Number):
        check_most(stack, "port number", element.value, 0xFFFF, element.span)
        return element.value, element.value, quals.proto
    if not isinstance(element, PortRange):
        raise wrong_kind(stack, element, quals)
    check_most(stack, "port number", element.high, 0xFFFF, element.span)
    if quals.proto and element.proto and quals.proto is not element.proto:
        what = "port in range" if quals.kind is Kind.PORTRANGE else "port"
        message = f"{what} '{element.text}' is {element.proto.value}"
        raise refuse(stack, message, element.span)
    return element.low, element.high, quals.proto or element.proto


# -- protocols ---------------------------------------------------------------------------------


def _each(
    stack: Stack,
    elements: Sequence[Identifier],
    quals: Qualifiers,
    lower: Callable[[Stack, Identifier, Qualifiers], Test],
) -> Test:
    """Lower elements that no table can hold, one after the other."""
    tests = [lower(stack, element, quals) for element in elements]
    return tests[0] if len(tests) == 1 else some(stack.builder, *tests)


def _protocol(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `proto` and `protochain`."""
    if not isinstance(element, Number | ProtoNumber):
        raise wrong_kind(stack, element, quals)
    number, proto, span = element.value, quals.proto, element.span
    assert quals.kind is not None
    if proto in (None, Proto.IP, Proto.IP6):
        check_most(stack, "protocol number", number, 0xFF, span)
        if quals.kind is Kind.PROTOCHAIN:
            return stack.protochain_is(number, proto, span)
        return stack.ip_protocol_is(number, proto, span)
    if quals.kind is Kind.PROTO:
        if proto is Proto.LINK:
            return link_protocol_is(stack, number, span)
        if proto in (Proto.ISO, Proto.ISIS):
            from netbpf.expr.lower.common import iso

            if proto is Proto.ISO:
                return iso.iso_protocol_is(stack, number, span)
            return iso.isis_pdu_is(stack, (number,), span)
    assert proto is not None
    raise invalid_qualifier(stack, proto.value, quals.kind.value, span)
