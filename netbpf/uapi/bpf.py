"""Constants of include/uapi/linux/bpf.h."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class MapType(IntEnum):
    """enum bpf_map_type."""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERF_EVENT_ARRAY = 4
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    RINGBUF = 27


class ProgType(IntEnum):
    """enum bpf_prog_type."""

    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6


class AttachType(IntEnum):
    """enum bpf_attach_type."""

    XDP = 37
    TCX_INGRESS = 46
    TCX_EGRESS = 47


class MapFlag(IntFlag):
    """BPF_F_* of BPF_MAP_CREATE."""

    NO_PREALLOC = 1 << 0
    NO_COMMON_LRU = 1 << 1
    RDONLY = 1 << 3
    RDONLY_PROG = 1 << 7
    MMAPABLE = 1 << 10


class ProgFlag(IntFlag):
    """BPF_F_* of BPF_PROG_LOAD."""

    SLEEPABLE = 1 << 4
    XDP_HAS_FRAGS = 1 << 5
