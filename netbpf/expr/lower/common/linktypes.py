"""What a link header says of its payload: `ip`, `arp`, `stp`, `ether proto N` on each link type.

A protocol is an EtherType, or an LLC service access point where it is at most 1500. Each link type
spells it its own way. Sources: IEEE 802.3 and 802.2, RFC 1042, RFC 1661; the LINKTYPE_ registry's
pages on LINUX_SLL, LINUX_SLL2, NULL and LOOP.
Depends on lower.layers and proto.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr.lower.common.tests import (
    bytes_are,
    check_most,
    constant,
    every,
    field_is,
    refuse,
    some,
)
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Dialect
from netbpf.ir.program import Cmp, Label
from netbpf.proto.ethertype import MAX_LENGTH, EtherType
from netbpf.proto.linktype import LinkType
from netbpf.proto.llc import OUI_APPLE, OUI_ETHERNET, SNAP_CONTROL, Sap
from netbpf.proto.ppp import PppProtocol

SLL_802_3 = 0x0001  # LINUX_SLL: an 802.3 frame without LLC (Novell)
SLL_802_2 = 0x0004  # LINUX_SLL: an LLC header follows

AF_INET = 2
AF_INET6 = (24, 28, 30)  # NetBSD and OpenBSD; FreeBSD; Darwin
AF_INET6_LINUX = 10  # where libpcap runs, it expects its own host's numbers and byte order

_BOTH_SAPS = (Sap.ISO, Sap.IP, Sap.NETBEUI)  # told by destination and source SAP


def link_protocol_is(layers: Layers, protocol: int, span: Span) -> Test:
    """Return the test that the link header announces `protocol`.

    Raises ExpressionError for a number that the link type's field cannot hold.
    """
    if layers.labels:
        return _behind_labels(layers, protocol, span)
    linktype = layers.linktype
    if linktype is LinkType.EN10MB:
        return _ethernet(layers, protocol, span)
    if linktype is LinkType.LINUX_SLL:
        return _cooked(layers, protocol, span)
    if linktype is LinkType.PPP:
        return _ppp(layers, protocol, span)
    if linktype is LinkType.LINUX_SLL2:
        check_most(layers, "EtherType", protocol, 0xFFFF, span)
        return _type_is(layers, protocol)
    if linktype in (LinkType.NULL, LinkType.LOOP):
        return _address_family(layers, protocol)
    return _bare_ip(layers, protocol)


def _behind_labels(layers: Layers, protocol: int, span: Span) -> Test:
    """MPLS names no protocol: behind the bottom label the first nibble tells (RFC 4928)."""
    if protocol not in (EtherType.IPV4, EtherType.IPV6):
        raise refuse(layers, "unsupported protocol over mpls", span)
    return every(layers.builder, bottom_of_stack(layers), _version_is(layers, protocol))


def bottom_of_stack(layers: Layers) -> Test:
    """Return the test that the label just before the network header is the last one."""

    def emit(yes: Label, no: Label) -> None:
        network = layers.network()
        reg = layers.load(network.base, network.offset - 2, 1)
        layers.builder.branch(Cmp.SET, reg, 0x01, yes, no)

    return emit


def _version_is(layers: Layers, protocol: int) -> Test:
    """The network header's first nibble is 4 or 6."""
    version = 0x40 if protocol == EtherType.IPV4 else 0x60
    return field_is(layers, layers.network, 0, 1, version, 0xF0)


def _ethernet(layers: Layers, protocol: int, span: Span) -> Test:
    """Ethernet II, 802.3 with LLC, SNAP, and Novell's bare 802.3."""
    builder = layers.builder
    if protocol in _BOTH_SAPS:
        return every(builder, is_length(layers), saps_are(layers, protocol))
    if protocol == Sap.IPX:
        novell = some(
            builder,
            _snap(layers, OUI_ETHERNET, EtherType.IPX),
            _dsap_is(layers, Sap.IPX),
            field_is(layers, layers.payload, 0, 2, 0xFFFF),
        )
        return some(
            builder, _type_is(layers, EtherType.IPX), every(builder, is_length(layers), novell)
        )
    if protocol in (EtherType.ATALK, EtherType.AARP):
        in_snap = every(builder, is_length(layers), _appletalk_snap(layers, protocol))
        return some(builder, _type_is(layers, protocol), in_snap)
    if protocol <= MAX_LENGTH:
        check_most(layers, "LLC DSAP", protocol, 0xFF, span)
        dsap = field_is(layers, layers.behind_length, 0, 1, protocol)
        return every(builder, is_length(layers), dsap)
    check_most(layers, "EtherType", protocol, 0xFFFF, span)
    return _type_is(layers, protocol)


def _cooked(layers: Layers, protocol: int, span: Span) -> Test:
    """Linux cooked capture: an EtherType, or a code that says how the frame was framed."""
    builder = layers.builder
    is_llc = _type_is(layers, SLL_802_2)
    if protocol in _BOTH_SAPS:
        return every(builder, is_llc, saps_are(layers, protocol))
    if protocol == Sap.IPX:
        in_llc = some(
            builder, _dsap_is(layers, Sap.IPX), _snap(layers, OUI_ETHERNET, EtherType.IPX)
        )
        return some(
            builder,
            _type_is(layers, EtherType.IPX),
            _type_is(layers, SLL_802_3),
            every(builder, is_llc, in_llc),
        )
    if protocol in (EtherType.ATALK, EtherType.AARP):
        in_snap = every(builder, is_llc, _appletalk_snap(layers, protocol))
        return some(builder, _type_is(layers, protocol), in_snap)
    if protocol <= MAX_LENGTH:
        check_most(layers, "LLC DSAP", protocol, 0xFF, span)
        return every(builder, is_llc, _dsap_is(layers, protocol))
    check_most(layers, "EtherType", protocol, 0xFFFF, span)
    return _type_is(layers, protocol)


_PPP_NAMES: dict[int, PppProtocol] = {
    EtherType.IPV4: PppProtocol.IPV4,
    EtherType.IPV6: PppProtocol.IPV6,
    EtherType.DECNET: PppProtocol.DECNET,
    EtherType.ATALK: PppProtocol.APPLETALK,
    EtherType.NS: PppProtocol.NS,
    Sap.ISO: PppProtocol.OSI,
    Sap.STP: PppProtocol.BRIDGING,
    Sap.IPX: PppProtocol.IPX,
}


def _ppp(layers: Layers, protocol: int, span: Span) -> Test:
    """PPP has numbers of its own for some protocols; any other number is taken for one of these."""
    number = _PPP_NAMES.get(protocol, protocol)
    check_most(layers, "PPP protocol", number, 0xFFFF, span)
    return _type_is(layers, number)


def _address_family(layers: Layers, protocol: int) -> Test:
    """BSD loopback: a 32-bit address family; NULL in the byte order of the host that captured."""
    builder = layers.builder
    own_host = layers.env.dialect is Dialect.PCAP
    families: tuple[int, ...] = ()
    if protocol == EtherType.IPV4:
        families = (AF_INET,)
    elif protocol == EtherType.IPV6:
        families = (AF_INET6_LINUX,) if own_host else AF_INET6
    if layers.linktype is LinkType.NULL:
        swapped = tuple(int.from_bytes(family.to_bytes(4, "little"), "big") for family in families)
        families = swapped if own_host else (*families, *swapped)
    return some(builder, *(field_is(layers, layers.link, 0, 4, family) for family in families))


def _bare_ip(layers: Layers, protocol: int) -> Test:
    """No link header: the version nibble tells, or the link type has told already."""
    linktype = layers.linktype
    if protocol not in (EtherType.IPV4, EtherType.IPV6):
        return constant(layers.builder, False)
    if linktype is LinkType.RAW:
        return _version_is(layers, protocol)
    told = LinkType.IPV4 if protocol == EtherType.IPV4 else LinkType.IPV6
    return constant(layers.builder, linktype is told)


# -- the pieces ------------------------------------------------------------------------------------


def is_length(layers: Layers) -> Test:
    """Return the test that Ethernet's type field is a length: LLC follows."""

    def emit(yes: Label, no: Label) -> None:
        choices = layers.protocol_choices()
        if choices is not None and min(choices) > MAX_LENGTH:
            layers.builder.jump(no)
        else:
            layers.builder.branch(Cmp.GT, layers.protocol(), MAX_LENGTH, no, yes)

    return emit


def saps_are(layers: Layers, sap: int) -> Test:
    """Return the test that both of LLC's service access points are `sap`."""
    return field_is(layers, layers.payload, 0, 2, sap << 8 | sap)


def _type_is(layers: Layers, value: int) -> Test:
    def emit(yes: Label, no: Label) -> None:
        choices = layers.protocol_choices()
        if choices is not None and value not in choices:
            layers.builder.jump(no)
        else:
            layers.builder.branch(Cmp.EQ, layers.protocol(), value, yes, no)

    return emit


def _dsap_is(layers: Layers, sap: int) -> Test:
    return field_is(layers, layers.payload, 0, 1, sap)


def _appletalk_snap(layers: Layers, protocol: int) -> Test:
    """AppleTalk has its own organisation code, its address resolution has not."""
    return _snap(layers, OUI_APPLE if protocol == EtherType.ATALK else OUI_ETHERNET, protocol)


def _snap(layers: Layers, oui: int, protocol: int) -> Test:
    """A SNAP header, all eight bytes of it (RFC 1042)."""
    header = bytes((Sap.SNAP, Sap.SNAP, SNAP_CONTROL))
    header += oui.to_bytes(3, "big") + protocol.to_bytes(2, "big")
    return bytes_are(layers, layers.payload, 0, header)
