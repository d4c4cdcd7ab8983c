"""Primitives with an identifier: `[proto] [dir] [kind] id`, and sets of them.

What an identifier may stand for depends on the qualifiers before it; complaints are libpcap's.
Depends on lower.layers and the other files of this package.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.errors import ExpressionError, Span
from netbpf.expr.lower.common.decnet import decnet_address, decnet_is
from netbpf.expr.lower.common.ethernet import ethernet_is
from netbpf.expr.lower.common.hosts import Net4, ipv4_is, ipv6_is
from netbpf.expr.lower.common.iso import isis_pdu_is, iso_protocol_is
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets6 import Prefix6
from netbpf.expr.lower.common.tests import check_most, constant, every, refuse, some
from netbpf.expr.lower.common.words import check_direction, invalid_qualifier, not_on_linktype
from netbpf.expr.lower.layers import Stack, Test
from netbpf.expr.nodes import (
    AddressSet,
    ArcnetAddress,
    Direction,
    EtherName,
    HostAddresses,
    Identifier,
    IPv4,
    IPv6,
    Kind,
    Mac,
    NetworkName,
    Number,
    PortRange,
    Primitive,
    Proto,
    ProtoNumber,
    Qualifiers,
)
from netbpf.ir.program import U32
from netbpf.proto.ip import IpProtocol
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass

MAC_CONTEXT = "link host XX:XX:XX:XX:XX:XX"


def primitive_holds(stack: Stack, node: Primitive) -> Test:
    """Return the test of a primitive. Raises ExpressionError for qualifiers that do not fit it."""
    kind = node.quals.kind
    elements = node.ident.elements if isinstance(node.ident, AddressSet) else (node.ident,)
    for element in elements:
        if isinstance(element, Mac):
            _check_ether(stack, element, node.quals)
    if not elements:
        return constant(stack.builder, False)
    if node.quals.proto is Proto.DECNET:
        return _each(stack, elements, node.quals, _decnet)
    if kind in (Kind.PORT, Kind.PORTRANGE):
        return _ports(stack, elements, node)
    if kind in (Kind.PROTO, Kind.PROTOCHAIN):
        return _each(stack, elements, node.quals, _protocol)
    if kind is Kind.GATEWAY:
        return _each(stack, elements, node.quals, _gateway)
    return _addresses(stack, elements, node.quals, node.ident.span)


# -- hosts, nets and Ethernet addresses ------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """The addresses of a primitive; each kind keeps the order of the text.

    An address of one family decides nothing on a packet of another, so between families the order
    does not matter. `context` is what complaints call the first element.
    """

    ipv4: list[Net4]
    ipv6: list[Prefix6]
    ether: list[int]
    context: str


def _addresses(
    stack: Stack, elements: tuple[Identifier, ...], quals: Qualifiers, span: Span
) -> Test:
    """Lower `host` and `net`. A set from a file may be empty: it holds for no packet."""
    found = _Found([], [], [], "")
    for element in elements:
        _collect(stack, element, quals, found)
    tests: list[Test] = []
    context, direction = found.context, quals.direction
    if found.ether:
        tests.append(ethernet_is(stack, found.ether, direction, span, context=context))
    if found.ipv4:
        tests.append(ipv4_is(stack, found.ipv4, quals.proto, direction, span, context=context))
    if found.ipv6:
        tests.append(ipv6_is(stack, found.ipv6, quals.proto, direction, span, context=context))
    return tests[0] if len(tests) == 1 else some(stack.builder, *tests)


def _collect(stack: Stack, element: Identifier, quals: Qualifiers, found: _Found) -> None:
    """Add what one identifier names."""
    is_net = quals.kind is Kind.NET
    word = "net" if is_net else "host"
    if isinstance(element, IPv4 | Number):
        shown = str(element.value) if isinstance(element, Number) else element.text
        if quals.proto is Proto.LINK and not _has_mask(element):
            raise refuse(stack, f"illegal link-layer address '{shown}'", element.span)
        found.ipv4.append(_net4(element, is_net=is_net))
        prefix = "prefix" if _has_mask(element) else "address"
        found.context = found.context or f"{word} <IPv4 {prefix}>"
    elif isinstance(element, IPv6):
        length = 128 if element.length is None else element.length
        found.ipv6.append(Prefix6(element.value, length))
        exact = quals.kind is Kind.HOST
        found.context = found.context or ("host <IPv6 address>" if exact else "net <IPv6 prefix>")
    elif isinstance(element, NetworkName):
        found.ipv4.append(_shifted_left(element.value))
        found.context = found.context or "net <IPv4 network name>"
    elif isinstance(element, HostAddresses):
        _collect_host(stack, element, quals, found)
    elif isinstance(element, Mac | EtherName):
        _check_ether(stack, element, quals)
        found.ether.append(element.value)
        name = isinstance(element, EtherName)
        found.context = found.context or ("link host NAME" if name else MAC_CONTEXT)
    elif isinstance(element, ArcnetAddress):
        raise _arcnet(stack, element, quals)
    else:
        raise _wrong_kind(stack, element, quals)


def _has_mask(element: IPv4 | Number) -> bool:
    return isinstance(element, IPv4) and (element.length is not None or element.mask is not None)


def _net4(element: IPv4 | Number, *, is_net: bool) -> Net4:
    """Return address and mask; a short address is a prefix (`net 10.1` is 10.1.0.0/16)."""
    if isinstance(element, Number):
        return _shifted_left(element.value) if is_net else (element.value, U32)
    value = element.value << (32 - element.bits)
    if element.length is not None:
        return value, U32 << (32 - element.length) & U32
    if element.mask is not None:
        return value, element.mask << (32 - element.mask_bits)
    return value, U32 << (32 - element.bits) & U32


def _shifted_left(value: int) -> Net4:
    """Read a number as the leading bytes of an address: `net 10` is 10.0.0.0/8."""
    mask = U32
    while value and not value & 0xFF000000:
        value, mask = value << 8, mask << 8 & U32
    return value, mask


def _collect_host(stack: Stack, element: HostAddresses, quals: Qualifiers, found: _Found) -> None:
    """Add a resolved name's addresses of the families that the qualifier allows, in order."""
    ipv4 = element.ipv4 if quals.proto is not Proto.IP6 else ()
    ipv6 = element.ipv6 if quals.proto not in (Proto.IP, Proto.ARP, Proto.RARP) else ()
    if not ipv4 and not ipv6:
        rest = " for specified address family" if quals.proto else ""
        raise refuse(stack, f"unknown host '{element.text}'{rest}", element.span)
    found.ipv4.extend((address, U32) for address in sorted(ipv4))
    found.ipv6.extend(Prefix6(address, 128) for address in sorted(ipv6))
    found.context = found.context or "host <Internet hostname>"


def _check_ether(stack: Stack, element: Mac | EtherName, quals: Qualifiers) -> None:
    if quals.proto is not Proto.LINK or quals.kind not in (None, Kind.HOST):
        raise refuse(stack, "Ethernet address used in non-ether expression", element.span)


def _arcnet(stack: Stack, element: ArcnetAddress, quals: Qualifiers) -> ExpressionError:
    check_direction(stack, quals.direction, element.span)
    if quals.kind not in (None, Kind.HOST):
        assert quals.kind is not None
        return invalid_qualifier(stack, quals.kind.value, "$XX", element.span)
    if quals.proto is not Proto.LINK:
        message = "'link' is the only valid proto qualifier for 'host $XX'"
        return refuse(stack, message, element.span)
    return not_on_linktype(stack, "link host $XX", element.span)


def _wrong_kind(stack: Stack, element: Identifier, quals: Qualifiers) -> ExpressionError:
    """Return the error for an identifier that its kind cannot have."""
    if isinstance(element, ArcnetAddress):
        return _arcnet(stack, element, quals)
    if isinstance(element, Mac | EtherName):
        return refuse(stack, "Ethernet address used in non-ether expression", element.span)
    word = quals.kind.value if quals.kind else "host"
    shown = stack.env.text[element.span.start : element.span.end]
    return invalid_qualifier(stack, word, shown, element.span)


# -- ports -------------------------------------------------------------------------------------

_PORT_PROTOCOLS = {
    None: None,
    Proto.TCP: IpProtocol.TCP,
    Proto.UDP: IpProtocol.UDP,
    Proto.SCTP: IpProtocol.SCTP,
}


def _ports(stack: Stack, elements: tuple[Identifier, ...], node: Primitive) -> Test:
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
    runs: list[tuple[IpProtocol | None, list[tuple[int, int]]]] = []
    for element in elements:
        low, high, named = _port_range(stack, element, node.quals)
        protocol = _PORT_PROTOCOLS[named]
        if not runs or runs[-1][0] is not protocol:
            runs.append((protocol, []))
        runs[-1][1].append((low, high))
    tests = [stack.ports_are(ranges, protocol, direction, node.span) for protocol, ranges in runs]
    return tests[0] if len(tests) == 1 else some(stack.builder, *tests)


def _port_range(
    stack: Stack, element: Identifier, quals: Qualifiers
) -> tuple[int, int, Proto | None]:
    """Return low, high, and the protocol that the qualifier or the service's name gives."""
    if isinstance(element, Number):
        check_most(stack, "port number", element.value, 0xFFFF, element.span)
        return element.value, element.value, quals.proto
    if not isinstance(element, PortRange):
        raise _wrong_kind(stack, element, quals)
    check_most(stack, "port number", element.high, 0xFFFF, element.span)
    if quals.proto and element.proto and quals.proto is not element.proto:
        what = "port in range" if quals.kind is Kind.PORTRANGE else "port"
        message = f"{what} '{element.text}' is {element.proto.value}"
        raise refuse(stack, message, element.span)
    return element.low, element.high, quals.proto or element.proto


# -- protocols, gateways, DECnet ---------------------------------------------------------------


def _each(
    stack: Stack,
    elements: tuple[Identifier, ...],
    quals: Qualifiers,
    lower: Callable[[Stack, Identifier, Qualifiers], Test],
) -> Test:
    """Lower elements that no table can hold, one after the other."""
    tests = [lower(stack, element, quals) for element in elements]
    return tests[0] if len(tests) == 1 else some(stack.builder, *tests)


def _protocol(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `proto` and `protochain`."""
    if not isinstance(element, Number | ProtoNumber):
        raise _wrong_kind(stack, element, quals)
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
        if proto is Proto.ISO:
            return iso_protocol_is(stack, number, span)
        if proto is Proto.ISIS:
            return isis_pdu_is(stack, (number,), span)
    assert proto is not None
    raise invalid_qualifier(stack, proto.value, quals.kind.value, span)


def _gateway(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `gateway`: the host's Ethernet address, but none of its IPv4 addresses."""
    if not isinstance(element, HostAddresses):
        raise _wrong_kind(stack, element, quals)
    span = element.span
    if quals.proto not in (None, Proto.IP, Proto.ARP, Proto.RARP):
        assert quals.proto is not None
        raise invalid_qualifier(stack, quals.proto.value, "gateway", span)
    if stack.labels:
        raise refuse(stack, "'gateway' cannot be used within MPLS", span)
    if stack.encapsulated:
        raise refuse(stack, "'gateway' cannot be used within VXLAN or Geneve", span)
    if stack.linktype is not LinkType.EN10MB:
        raise not_on_linktype(stack, "gateway", span)
    if element.ether is None:
        raise refuse(stack, f"unknown Ethernet-like host '{element.text}'", span)
    if not element.ipv4:
        raise refuse(stack, f"unknown host '{element.text}'", span)
    nets = [(address, U32) for address in sorted(element.ipv4)]
    context = "host <Internet hostname>"
    return every(
        stack.builder,
        ethernet_is(stack, [element.ether], None, span, context="gateway"),
        ipv4_is(stack, nets, quals.proto, None, span, context=context, opposite=True),
    )


def _decnet(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `decnet host AREA.NODE`."""
    span = element.span
    if isinstance(element, IPv6):
        return _addresses(stack, (element,), quals, span)  # which refuses it
    if isinstance(element, Number | IPv4) and not _has_mask(element):
        check_direction(stack, quals.direction, span)
        if quals.kind in (None, Kind.HOST):
            shown = str(element.value) if isinstance(element, Number) else element.text
            address = decnet_address(shown)
            if address is None:
                raise refuse(stack, f"invalid DECnet address '{shown}'", span)
            return decnet_is(stack, address, quals.direction, span)
    word = quals.kind.value if quals.kind else "host"
    raise invalid_qualifier(stack, "decnet", word, span)
