"""Constants of include/uapi/asm-generic/socket.h and linux/if_packet.h that Python lacks."""

from __future__ import annotations

from enum import IntEnum


class SockOpt(IntEnum):
    """SO_* at level SOL_SOCKET. The same on every architecture but parisc, sparc and alpha."""

    ATTACH_FILTER = 26
    DETACH_FILTER = 27
    LOCK_FILTER = 44
    ATTACH_BPF = 50
