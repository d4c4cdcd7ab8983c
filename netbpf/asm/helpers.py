"""Numbers of the kernel functions that generated programs call (enum bpf_func_id, uapi bpf.h)."""

from __future__ import annotations

from enum import IntEnum


class Helper(IntEnum):
    """A helper by number; the name is the kernel's without `bpf_`, in capitals."""

    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    GET_SMP_PROCESSOR_ID = 8
    SKB_STORE_BYTES = 9
    SKB_LOAD_BYTES = 26  # Linux 4.5
    SKB_CHANGE_TAIL = 38  # Linux 4.9
    XDP_ADJUST_HEAD = 44  # Linux 4.10
    XDP_ADJUST_TAIL = 65  # Linux 4.18; grows since 5.8
    XDP_GET_BUFF_LEN = 188  # Linux 5.18
    XDP_LOAD_BYTES = 189  # Linux 5.18
    XDP_STORE_BYTES = 190  # Linux 5.18
