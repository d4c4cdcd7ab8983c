"""Classic BPF instructions (struct sock_filter, include/uapi/linux/filter.h)."""

from __future__ import annotations

from typing import NamedTuple


class Insn(NamedTuple):
    """One instruction: 16-bit code, 8-bit jump offsets (relative to the next), 32-bit k."""

    code: int
    jt: int
    jf: int
    k: int
