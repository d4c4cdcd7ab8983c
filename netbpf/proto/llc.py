"""Logical link control (IEEE 802.2): service access points, and kinds of frames."""

from __future__ import annotations

from enum import IntEnum


class Sap(IntEnum):
    """Service access points, the first two bytes of an LLC header (destination, source)."""

    IP = 0x06
    STP = 0x42  # IEEE 802.1D spanning tree
    SNAP = 0xAA  # RFC 1042
    IPX = 0xE0
    NETBEUI = 0xF0
    ISO = 0xFE  # OSI network layer: CLNP, ES-IS, IS-IS


CONTROL_OFFSET = 2  # the first control byte tells the kinds apart

FORMATS = {"s": 0x01, "u": 0x03}
"""Supervisory and unnumbered frames, by the two low bits; information frames have bit 0 clear."""

FORMAT_MASK = 0x03

SUPERVISORY = {"rr": 0x01, "rnr": 0x05, "rej": 0x09}
SUPERVISORY_MASK = 0x0F

UNNUMBERED = {
    "ui": 0x03,
    "ua": 0x63,
    "disc": 0x43,
    "dm": 0x0F,
    "sabme": 0x6F,
    "test": 0xE3,
    "xid": 0xAF,
    "frmr": 0x87,
}
UNNUMBERED_MASK = 0xEF  # without the poll/final bit

SNAP_CONTROL = 0x03  # SNAP is carried in UI frames
OUI_ETHERNET = 0x000000  # the SNAP protocol is an EtherType
OUI_APPLE = 0x080007
