"""Protocol keywords alone: `tcp`, `arp`, `stp`, `isis`; and keywords of link types unknown here.

Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.errors import ExpressionError
from netbpf.expr.lower.common.iso import NLPIDS, PDU_TYPES, isis_pdu_is, iso_protocol_is
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import refuse
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Layers, Stack, Test
from netbpf.expr.nodes import Keyword, Proto, Unsupported
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import IpProtocol
from netbpf.proto.llc import Sap

IP_PROTOCOLS: dict[Proto, tuple[IpProtocol, Proto | None]] = {
    Proto.SCTP: (IpProtocol.SCTP, None),
    Proto.TCP: (IpProtocol.TCP, None),
    Proto.UDP: (IpProtocol.UDP, None),
    Proto.AH: (IpProtocol.AH, None),
    Proto.ESP: (IpProtocol.ESP, None),
    Proto.PIM: (IpProtocol.PIM, None),
    Proto.ICMP: (IpProtocol.ICMP, Proto.IP),
    Proto.IGMP: (IpProtocol.IGMP, Proto.IP),
    Proto.IGRP: (IpProtocol.IGRP, Proto.IP),
    Proto.VRRP: (IpProtocol.VRRP, Proto.IP),
    Proto.CARP: (IpProtocol.VRRP, Proto.IP),
    Proto.ICMP6: (IpProtocol.ICMP6, Proto.IP6),
}
"""Number, and the IP version that alone carries it."""

LINK_PROTOCOLS: dict[Proto, int] = {
    Proto.IP: EtherType.IPV4,
    Proto.ARP: EtherType.ARP,
    Proto.RARP: EtherType.RARP,
    Proto.ATALK: EtherType.ATALK,
    Proto.AARP: EtherType.AARP,
    Proto.DECNET: EtherType.DECNET,
    Proto.SCA: EtherType.SCA,
    Proto.LAT: EtherType.LAT,
    Proto.MOPDL: EtherType.MOPDL,
    Proto.MOPRC: EtherType.MOPRC,
    Proto.IP6: EtherType.IPV6,
    Proto.ISO: Sap.ISO,
    Proto.STP: Sap.STP,
    Proto.IPX: Sap.IPX,
    Proto.NETBEUI: Sap.NETBEUI,
}


def keyword_holds(stack: Stack, node: Keyword) -> Test:
    """Return the test of a protocol keyword. Raises ExpressionError for `ether` and `radio`."""
    proto, span = node.proto, node.span
    if proto in IP_PROTOCOLS:
        number, family = IP_PROTOCOLS[proto]
        return stack.ip_protocol_is(number, family, span)
    if proto in LINK_PROTOCOLS:
        return link_protocol_is(stack, LINK_PROTOCOLS[proto], span)
    if proto in NLPIDS:
        return iso_protocol_is(stack, NLPIDS[proto], span)
    if proto in PDU_TYPES:
        return isis_pdu_is(stack, PDU_TYPES[proto], span)
    raise refuse(stack, f"'{proto.value}' cannot be used as an abbreviation", span)


def unsupported(layers: Layers, node: Unsupported) -> ExpressionError:
    """Return the error for a keyword of 802.11, ATM, SS7 or PF."""
    word = node.keyword
    if node.family == "wlan":
        shown = "type/subtype" if word in ("type", "subtype") else word
        return not_on_linktype(layers, shown, node.span)
    where = {"atm": "SUNATM", "ss7": "SS7", "pf": "PFLOG linktype"}[node.family]
    return refuse(layers, f"'{word}' supported only on {where}", node.span)
