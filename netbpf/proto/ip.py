"""IPv4, IPv6 and the protocols on top: numbers and header fields."""

from __future__ import annotations

from enum import IntEnum

from netbpf.proto.field import Field


class IpProtocol(IntEnum):
    """What an IP packet carries (IANA's protocol-numbers registry)."""

    HOP_BY_HOP = 0
    ICMP = 1
    IGMP = 2
    IPIP = 4  # RFC 2003
    TCP = 6
    IGRP = 9
    UDP = 17
    IPV6 = 41  # RFC 4213
    ROUTING = 43
    FRAGMENT = 44
    GRE = 47  # RFC 2784
    ESP = 50
    AH = 51
    ICMP6 = 58
    NO_NEXT = 59
    DESTINATION = 60
    PIM = 103
    VRRP = 112  # CARP has taken the same number
    SCTP = 132


WITH_PORTS = (IpProtocol.TCP, IpProtocol.UDP, IpProtocol.SCTP)
"""Protocols that begin with source and destination port, in the order in which they are tested."""

# RFC 791 §3.1
IPV4_VERSION = Field("ip.vihl", 0, 1)  # version in the upper four bits, header words in the lower
IPV4_TOS = Field("ip.tos", 1, 1)
IPV4_FRAGMENT = Field("ip.frag", 6, 2)  # flags, then the offset in units of eight bytes
IPV4_TTL = Field("ip.ttl", 8, 1)
IPV4_PROTOCOL = Field("ip.proto", 9, 1)
IPV4_SRC = Field("ip.src", 12, 4)
IPV4_DST = Field("ip.dst", 16, 4)
IPV4_MORE_FRAGMENTS = 0x2000
IPV4_OFFSET_MASK = 0x1FFF

# RFC 8200 §3
IPV6_VERSION = Field("ip6.version", 0, 1)
IPV6_CLASS = Field("ip6.class", 0, 2)  # version, eight bits of traffic class, four of flow label
IPV6_NEXT = Field("ip6.next", 6, 1)
IPV6_HOP_LIMIT = Field("ip6.hops", 7, 1)
IPV6_SRC = 8  # 16 bytes
IPV6_DST = 24  # 16 bytes
IPV4_LENGTH = 20  # without options
IPV6_LENGTH = 40

# RFC 826, with Ethernet and IPv4 addresses; RARP is alike (RFC 903)
ARP_SRC = Field("arp.src", 14, 4)  # sender protocol address
ARP_DST = Field("arp.dst", 24, 4)  # target protocol address

SOURCE_PORT = Field("sport", 0, 2)
DESTINATION_PORT = Field("dport", 2, 2)

TCP_DATA_OFFSET = Field("tcp.offset", 12, 1)  # RFC 9293 §3.1: header words in the upper four bits
TCP_FLAGS = Field("tcp.flags", 13, 1)

TRANSPORT_LENGTHS = {
    IpProtocol.UDP: 8,  # RFC 768
    IpProtocol.SCTP: 12,  # RFC 9260 §3.1, the common header; chunks follow
}
"""Of headers of fixed length, in bytes."""
