"""OSI network layer: protocol identifiers and IS-IS PDU types."""

from __future__ import annotations

from enum import IntEnum


class Nlpid(IntEnum):
    """Network layer protocol identifiers (ISO/IEC TR 9577), the header's first byte."""

    CLNP = 0x81
    ESIS = 0x82
    ISIS = 0x83


class IsisPdu(IntEnum):
    """PDU types of IS-IS (ISO/IEC 10589:2002, 9.5 to 9.13)."""

    L1_LAN_IIH = 15
    L2_LAN_IIH = 16
    PTP_IIH = 17
    L1_LSP = 18
    L2_LSP = 20
    L1_CSNP = 24
    L2_CSNP = 25
    L1_PSNP = 26
    L2_PSNP = 27


ISIS_PDU_OFFSET = 4
ISIS_PDU_MASK = 0x1F
