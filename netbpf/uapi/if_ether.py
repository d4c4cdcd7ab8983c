"""Constants of include/uapi/linux/if_ether.h that concern sockets, not the wire (see proto)."""

from __future__ import annotations

from enum import IntEnum


class EthP(IntEnum):
    """ETH_P_*: pseudo types that packet sockets bind to."""

    ALL = 0x0003  # every protocol, both ways
