"""EtherTypes: the two bytes after a MAC address pair or a VLAN tag (IEEE 802 numbers registry)."""

from __future__ import annotations

from enum import IntEnum


class EtherType(IntEnum):
    """What a frame carries."""

    NS = 0x0600  # Xerox NS IDP
    IPV4 = 0x0800  # RFC 894
    ARP = 0x0806  # RFC 826
    MOPDL = 0x6001  # DEC maintenance: dump, load
    MOPRC = 0x6002  # DEC maintenance: remote console
    DECNET = 0x6003
    LAT = 0x6004
    SCA = 0x6007
    TEB = 0x6558  # transparent Ethernet bridging, RFC 1701
    RARP = 0x8035  # RFC 903
    ATALK = 0x809B
    AARP = 0x80F3
    VLAN = 0x8100  # IEEE 802.1Q
    IPX = 0x8137
    IPV6 = 0x86DD  # RFC 2464
    MPLS = 0x8847  # RFC 3032
    PPPOE_DISCOVERY = 0x8863  # RFC 2516
    PPPOE_SESSION = 0x8864  # RFC 2516
    VLAN_AD = 0x88A8  # IEEE 802.1ad
    VLAN_QINQ = 0x9100  # stacked tags before 802.1ad


MAX_LENGTH = 1500
"""Up to here the field is the length of an 802.3 frame, whose payload begins with an LLC header."""

TAG_TYPES = (EtherType.VLAN, EtherType.VLAN_AD, EtherType.VLAN_QINQ)
"""The types that say "a VLAN tag follows"."""
