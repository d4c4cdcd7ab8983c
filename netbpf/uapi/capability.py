"""Constants of include/uapi/linux/capability.h: the ones that BPF and attaching ask for."""

from __future__ import annotations

from enum import IntEnum


class Cap(IntEnum):
    """CAP_*: the bit number in CapEff of /proc/PID/status."""

    NET_ADMIN = 12
    NET_RAW = 13
    SYS_ADMIN = 21
    SYS_RESOURCE = 24
    PERFMON = 38
    BPF = 39
