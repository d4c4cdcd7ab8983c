"""Link types that netbpf understands: the frame's first header.

Numbers are LINKTYPE_ values as pcap files carry them (draft-ietf-opsawg-pcaplinktype); where
Linux's DLT_ value differs (RAW), libpcap maps it and so does observe.pcap.
"""

from __future__ import annotations

from enum import IntEnum


class LinkType(IntEnum):
    """A link type by its LINKTYPE_ number; the name is what `--linktype` takes."""

    NULL = 0  # BSD loopback: 4-byte address family, host byte order
    EN10MB = 1  # Ethernet
    PPP = 9  # PPP, protocol in the first bytes
    RAW = 101  # IPv4 or IPv6, told apart by the version nibble
    LOOP = 108  # OpenBSD loopback: 4-byte address family, network byte order
    LINUX_SLL = 113  # Linux "cooked" v1: 16 bytes
    IPV4 = 228
    IPV6 = 229
    LINUX_SLL2 = 276  # Linux "cooked" v2: 20 bytes
