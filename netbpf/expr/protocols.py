"""Protocol names that pcap-filter(7) itself defines, known on every machine.

Three name spaces, chosen by the qualifier before `proto`. Depends on nodes and proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netbpf.expr.nodes import Proto
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import IpProtocol

IP_PROTOCOLS: Final[Mapping[str, int]] = {  # `proto`, `ip proto`, `ip6 proto`
    "icmp": IpProtocol.ICMP,
    "igmp": IpProtocol.IGMP,
    "tcp": IpProtocol.TCP,
    "igrp": IpProtocol.IGRP,
    "udp": IpProtocol.UDP,
    "gre": IpProtocol.GRE,
    "esp": IpProtocol.ESP,
    "ah": IpProtocol.AH,
    "icmp6": IpProtocol.ICMP6,
    "pim": IpProtocol.PIM,
    "vrrp": IpProtocol.VRRP,
    "carp": IpProtocol.VRRP,  # CARP uses VRRP's number
    "sctp": IpProtocol.SCTP,
}

LINK_PROTOCOLS: Final[Mapping[str, int]] = {  # `ether proto`: EtherTypes, and LLC SAPs up to 255
    "aarp": EtherType.AARP,
    "arp": EtherType.ARP,
    "atalk": EtherType.ATALK,
    "decnet": EtherType.DECNET,
    "ip": EtherType.IPV4,
    "ip6": EtherType.IPV6,
    "lat": EtherType.LAT,
    "lldp": 0x88CC,  # IEEE 802.1AB
    "loopback": 0x9000,  # the Ethernet configuration test protocol
    "mopdl": EtherType.MOPDL,
    "moprc": EtherType.MOPRC,
    "rarp": EtherType.RARP,
    "sca": EtherType.SCA,
    "slow": 0x8809,  # IEEE 802.3 Annex 57A
    "stp": 0x42,  # LLC SAPs from here on: IEEE 802.1D
    "ipx": 0xE0,
    "netbeui": 0xF0,
    "iso": 0xFE,
}

ISO_PROTOCOLS: Final[Mapping[str, int]] = {  # `iso proto`: ISO/IEC TR 9577
    "clnp": 0x81,
    "esis": 0x82,
    "es-is": 0x82,
    "isis": 0x83,
    "is-is": 0x83,
}

NAME_SPACES: Final[Mapping[Proto | None, Mapping[str, int]]] = {
    None: IP_PROTOCOLS,
    Proto.IP: IP_PROTOCOLS,
    Proto.IP6: IP_PROTOCOLS,
    Proto.LINK: LINK_PROTOCOLS,
    Proto.ISO: ISO_PROTOCOLS,
}
