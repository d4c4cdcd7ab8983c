"""Primitives with an address: `host`, `net`, `ether host`, `gateway`, `decnet`; sets of them.

Complaints are libpcap's. Depends on lower.layers and the other files of this package.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.errors import Span
from netbpf.expr.listing import Networks
from netbpf.expr.lower.common.decnet import decnet_address, decnet_is
from netbpf.expr.lower.common.ethernet import ethernet_is
from netbpf.expr.lower.common.hosts import ipv4_is, ipv6_is, net4
from netbpf.expr.lower.common.sets import Element, listed
from netbpf.expr.lower.common.sets6 import Prefix6
from netbpf.expr.lower.common.tests import every, refuse, some
from netbpf.expr.lower.common.words import (
    arcnet,
    check_direction,
    check_ether,
    invalid_qualifier,
    not_on_linktype,
    wrong_kind,
)
from netbpf.expr.lower.layers import Stack, Test
from netbpf.expr.nodes import (
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
    Proto,
    Qualifiers,
)
from netbpf.ir.program import U32
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass

MAC_CONTEXT = "link host XX:XX:XX:XX:XX:XX"


@dataclass(slots=True)
class _Found:
    """The addresses of a primitive; each kind keeps the order of the text.

    An address of one family decides nothing on a packet of another, so between families the order
    does not matter. `context` is what complaints call the first element.
    """

    ipv4: list[Element]
    ipv6: list[Prefix6]
    ether: list[int]
    context: str


def addresses_are(
    stack: Stack, elements: Sequence[Identifier], quals: Qualifiers, span: Span
) -> Test:
    """Lower `host` and `net`. A set from a file may be empty: it holds for no packet."""
    found = _Found([], [], [], "")
    is_list = isinstance(elements, Networks) and quals.direction is not Direction.AND
    for element in elements[:1] if is_list else elements:
        _collect(stack, element, quals, found)
    if isinstance(elements, Networks) and is_list:
        found.ipv4 = [listed(elements)]
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
        check_ether(stack, element, quals)
        found.ether.append(element.value)
        name = isinstance(element, EtherName)
        found.context = found.context or ("link host NAME" if name else MAC_CONTEXT)
    elif isinstance(element, ArcnetAddress):
        raise arcnet(stack, element, quals)
    else:
        raise wrong_kind(stack, element, quals)


def _has_mask(element: IPv4 | Number) -> bool:
    return isinstance(element, IPv4) and (element.length is not None or element.mask is not None)


def _net4(element: IPv4 | Number, *, is_net: bool) -> Element:
    """Return what an address holds; a short one is a prefix (`net 10.1` is 10.1.0.0/16)."""
    if isinstance(element, Number):
        return _shifted_left(element.value) if is_net else net4(element.value, U32)
    value = element.value << (32 - element.bits)
    if element.length is not None:
        return net4(value, U32 << (32 - element.length) & U32)
    if element.mask is not None:
        return net4(value, element.mask << (32 - element.mask_bits))
    return net4(value, U32 << (32 - element.bits) & U32)


def _shifted_left(value: int) -> Element:
    """Read a number as the leading bytes of an address: `net 10` is 10.0.0.0/8."""
    mask = U32
    while value and not value & 0xFF000000:
        value, mask = value << 8, mask << 8 & U32
    return net4(value, mask)


def _collect_host(stack: Stack, element: HostAddresses, quals: Qualifiers, found: _Found) -> None:
    """Add a resolved name's addresses of the families that the qualifier allows, in order."""
    ipv4 = element.ipv4 if quals.proto is not Proto.IP6 else ()
    ipv6 = element.ipv6 if quals.proto not in (Proto.IP, Proto.ARP, Proto.RARP) else ()
    if not ipv4 and not ipv6:
        rest = " for specified address family" if quals.proto else ""
        raise refuse(stack, f"unknown host '{element.text}'{rest}", element.span)
    found.ipv4.extend(net4(address, U32) for address in sorted(ipv4))
    found.ipv6.extend(Prefix6(address, 128) for address in sorted(ipv6))
    found.context = found.context or "host <Internet hostname>"


def gateway_is(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `gateway`: the host's Ethernet address, but none of its IPv4 addresses."""
    if not isinstance(element, HostAddresses):
        raise wrong_kind(stack, element, quals)
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
    nets = [net4(address, U32) for address in sorted(element.ipv4)]
    context = "host <Internet hostname>"
    return every(
        stack.builder,
        ethernet_is(stack, [element.ether], None, span, context="gateway"),
        ipv4_is(stack, nets, quals.proto, None, span, context=context, opposite=True),
    )


def decnet_host_is(stack: Stack, element: Identifier, quals: Qualifiers) -> Test:
    """Lower `decnet host AREA.NODE`."""
    span = element.span
    if isinstance(element, IPv6):
        return addresses_are(stack, (element,), quals, span)  # which refuses it
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
