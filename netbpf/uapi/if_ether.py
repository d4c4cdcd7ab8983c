"""Constants of include/uapi/linux/if_ether.h."""

from __future__ import annotations

from enum import IntEnum


class EthP(IntEnum):
    """ETH_P_*: Ethernet types, and the pseudo types that sockets and filters bind to."""

    ALL = 0x0003  # every protocol, not a type on the wire
    IP = 0x0800
    ARP = 0x0806
    RARP = 0x8035
    VLAN = 0x8100  # kernel: ETH_P_8021Q
    IPV6 = 0x86DD
    VLAN_AD = 0x88A8  # kernel: ETH_P_8021AD


ETH_HLEN = 14
ETH_ALEN = 6
