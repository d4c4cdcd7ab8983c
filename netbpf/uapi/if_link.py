"""Constants of include/uapi/linux/if_link.h: XDP over rtnetlink."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class XdpFlag(IntFlag):
    """XDP_FLAGS_*: the value of IFLA_XDP_FLAGS."""

    UPDATE_IF_NOEXIST = 1 << 0
    SKB_MODE = 1 << 1
    DRV_MODE = 1 << 2
    HW_MODE = 1 << 3
    REPLACE = 1 << 4  # only if the program of IFLA_XDP_EXPECTED_FD is attached (5.7)


class XdpAttached(IntEnum):
    """XDP_ATTACHED_*: the value of IFLA_XDP_ATTACHED."""

    NONE = 0
    DRV = 1
    SKB = 2
    HW = 3
    MULTI = 4


class IflaXdp(IntEnum):
    """The attributes nested in IFLA_XDP."""

    FD = 1
    ATTACHED = 2
    FLAGS = 3
    PROG_ID = 4
    DRV_PROG_ID = 5
    SKB_PROG_ID = 6
    HW_PROG_ID = 7
    EXPECTED_FD = 8
