"""PPP protocol numbers (RFC 1661; IANA's ppp-numbers registry)."""

from __future__ import annotations

from enum import IntEnum


class PppProtocol(IntEnum):
    """What a PPP frame carries."""

    IPV4 = 0x0021  # RFC 1332
    OSI = 0x0023
    NS = 0x0025
    DECNET = 0x0027
    APPLETALK = 0x0029
    IPX = 0x002B
    BRIDGING = 0x0031
    IPV6 = 0x0057  # RFC 5072
    MPLS = 0x0281  # RFC 3032
