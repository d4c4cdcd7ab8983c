"""Constants of include/uapi/linux/if_link.h: XDP over rtnetlink."""

from __future__ import annotations

from enum import IntFlag


class XdpFlag(IntFlag):
    """XDP_FLAGS_*: the value of IFLA_XDP_FLAGS."""

    UPDATE_IF_NOEXIST = 1 << 0
    SKB_MODE = 1 << 1
    DRV_MODE = 1 << 2
    HW_MODE = 1 << 3
    REPLACE = 1 << 4  # only if the program of IFLA_XDP_EXPECTED_FD is attached (5.7)
