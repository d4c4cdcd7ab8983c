"""Extended BPF instructions (struct bpf_insn, include/uapi/linux/bpf.h; RFC 9669)."""

from __future__ import annotations

from typing import NamedTuple


class Insn(NamedTuple):
    """One 64-bit slot; a 64-bit immediate load takes two, the second with code 0.

    `dst`, `src` are register numbers (or a pseudo source), `off` is signed 16 bits, `imm` signed
    32 bits.
    """

    code: int
    dst: int
    src: int
    off: int
    imm: int
