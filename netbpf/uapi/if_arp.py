"""Constants of include/uapi/linux/if_arp.h: hardware types of interfaces.

/sys/class/net/IFACE/type shows them.
"""

from __future__ import annotations

from enum import IntEnum


class ArpHrd(IntEnum):
    """ARPHRD_*: what an interface's frames begin with."""

    ETHER = 1
    PPP = 512
    TUNNEL = 768  # IPv4 in IPv4
    TUNNEL6 = 769  # IPv6 in IPv6
    LOOPBACK = 772  # Linux writes an Ethernet header, all zero but for the type
    SIT = 776  # IPv6 in IPv4
    IPGRE = 778
    IP6GRE = 823
    RAWIP = 519
    NONE = 0xFFFE  # tun, WireGuard: bare IP packets
