"""Classic BPF instructions (struct sock_filter, include/uapi/linux/filter.h) and their rules.

`check` knows what the kernel refuses (bpf_check_classic, net/core/filter.c). Depends on errors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from netbpf.errors import InputError

MAX_INSNS = 4096  # BPF_MAXINSNS: of a socket filter and of tc's cls_bpf
MEMORY_WORDS = 16  # BPF_MEMWORDS: M[0] … M[15], 32 bits each
MAX_JUMP = 255  # of a conditional jump, whose offsets are 8 bits wide


class Insn(NamedTuple):
    """One instruction: 16-bit code, 8-bit jump offsets (relative to the next), 32-bit k."""

    code: int
    jt: int
    jf: int
    k: int


class Op(IntEnum):
    """Every code that the kernel accepts (chk_code_allowed, net/core/filter.c).

    `_K` takes its operand from k, `_X` from the index register.
    """

    LD_W_ABS = 0x20  # A = 4 bytes at k, big-endian
    LD_H_ABS = 0x28
    LD_B_ABS = 0x30
    LD_W_IND = 0x40  # A = 4 bytes at X + k
    LD_H_IND = 0x48
    LD_B_IND = 0x50
    LD_IMM = 0x00
    LD_MEM = 0x60
    LD_LEN = 0x80  # the packet's length on the wire
    LDX_IMM = 0x01
    LDX_MEM = 0x61
    LDX_LEN = 0x81
    LDX_MSH = 0xB1  # X = 4 * (the byte at k & 0xf): an IPv4 header's length
    ST = 0x02
    STX = 0x03
    ADD_K = 0x04
    ADD_X = 0x0C
    SUB_K = 0x14
    SUB_X = 0x1C
    MUL_K = 0x24
    MUL_X = 0x2C
    DIV_K = 0x34
    DIV_X = 0x3C  # returns 0 when X is 0
    OR_K = 0x44
    OR_X = 0x4C
    AND_K = 0x54
    AND_X = 0x5C
    LSH_K = 0x64
    LSH_X = 0x6C  # by 32 or more: kernels and libpcap differ
    RSH_K = 0x74
    RSH_X = 0x7C
    NEG = 0x84
    MOD_K = 0x94
    MOD_X = 0x9C
    XOR_K = 0xA4
    XOR_X = 0xAC
    JA = 0x05
    JEQ_K = 0x15
    JEQ_X = 0x1D
    JGT_K = 0x25
    JGT_X = 0x2D
    JGE_K = 0x35
    JGE_X = 0x3D
    JSET_K = 0x45
    JSET_X = 0x4D
    RET_K = 0x06
    RET_A = 0x16
    TAX = 0x07
    TXA = 0x87


class Ancillary(IntEnum):
    """What a load at SKF_AD_OFF + n reads in place of packet bytes (Linux only)."""

    PROTOCOL = 0xFFFFF000
    PKTTYPE = 0xFFFFF004  # PACKET_OUTGOING is 4
    IFINDEX = 0xFFFFF008
    NLATTR = 0xFFFFF00C
    NLATTR_NEST = 0xFFFFF010
    MARK = 0xFFFFF014
    QUEUE = 0xFFFFF018
    HATYPE = 0xFFFFF01C
    RXHASH = 0xFFFFF020
    CPU = 0xFFFFF024
    ALU_XOR_X = 0xFFFFF028
    VLAN_TAG = 0xFFFFF02C  # the stripped tag's TCI
    VLAN_TAG_PRESENT = 0xFFFFF030
    PAY_OFFSET = 0xFFFFF034
    RANDOM = 0xFFFFF038
    VLAN_TPID = 0xFFFFF03C


ABSOLUTE_LOADS = frozenset({Op.LD_W_ABS, Op.LD_H_ABS, Op.LD_B_ABS})
CONDITIONAL_JUMPS = frozenset(op for op in Op if op & 0x07 == 0x05 and op is not Op.JA)
RETURNS = frozenset({Op.RET_K, Op.RET_A})

_CODES = frozenset(int(op) for op in Op)
_ANCILLARIES = frozenset(int(field) for field in Ancillary)
_SOCK_FILTER = struct.Struct("=HBBI")  # host byte order


def encode(insns: Iterable[Insn]) -> bytes:
    """Return an array of struct sock_filter, host byte order, 8 bytes an instruction."""
    return b"".join(_SOCK_FILTER.pack(*insn) for insn in insns)


def decode(data: bytes) -> tuple[Insn, ...]:
    """Read an array of struct sock_filter. Raises InputError; does not check the program."""
    if len(data) % _SOCK_FILTER.size:
        raise InputError(f"classic BPF: {len(data)} bytes are no multiple of {_SOCK_FILTER.size}")
    return tuple(Insn(*fields) for fields in _SOCK_FILTER.iter_unpack(data))


def check(insns: Sequence[Insn]) -> str | None:
    """Return why the kernel would refuse a program, such as '3: divides by zero', or None."""
    if not 0 < len(insns) <= MAX_INSNS:
        return f"{len(insns)} instructions, not 1 to {MAX_INSNS}"
    for index, insn in enumerate(insns):
        if insn.jt > MAX_JUMP or insn.jf > MAX_JUMP:
            return f"{index}: jumps further than {MAX_JUMP}"
        problem = _check_insn(insn) or _check_jump(insn, len(insns) - index - 1)
        if problem:
            return f"{index}: {problem}"
    return _check_memory(insns)


def jump_offsets(insn: Insn) -> tuple[int, ...]:
    """Return where an instruction can go on at, relative to the next; nothing for a return."""
    if insn.code in RETURNS:
        return ()
    if insn.code == Op.JA:
        return (insn.k,)
    return (insn.jt, insn.jf) if insn.code in CONDITIONAL_JUMPS else (0,)


def _check_insn(insn: Insn) -> str | None:
    code, k = insn.code, insn.k
    if code not in _CODES:
        return f"unknown code {code:#x}"
    if code in (Op.DIV_K, Op.MOD_K) and k == 0:
        return "divides by zero"
    if code in (Op.LSH_K, Op.RSH_K) and k >= 32:
        return f"shifts by {k}"
    if code in (Op.LD_MEM, Op.LDX_MEM, Op.ST, Op.STX) and k >= MEMORY_WORDS:
        return f"there is no M[{k}]"
    if code in ABSOLUTE_LOADS and k >= Ancillary.PROTOCOL and k not in _ANCILLARIES:
        return f"there is no ancillary data at {k:#x}"
    return None


def _check_jump(insn: Insn, following: int) -> str | None:
    if any(offset >= following for offset in jump_offsets(insn)):
        return "goes past the end"
    return None


def _check_memory(insns: Sequence[Insn]) -> str | None:
    """Check that every word of M[] is written before it is read, on every path.

    Source: check_load_and_stores, net/core/filter.c. What follows a return counts as reached from
    it, which the kernel gets wrong in the strict direction.
    """
    everything = (1 << MEMORY_WORDS) - 1
    arriving = [everything] * len(insns)
    valid = 0
    for index, insn in enumerate(insns):
        valid &= arriving[index]
        if insn.code in (Op.LD_MEM, Op.LDX_MEM) and not valid >> insn.k & 1:
            return f"{index}: reads M[{insn.k}], which is not written on every path"
        if insn.code in (Op.ST, Op.STX):
            valid |= 1 << insn.k
        elif insn.code == Op.JA or insn.code in CONDITIONAL_JUMPS:
            for offset in jump_offsets(insn):
                arriving[index + 1 + offset] &= valid
            valid = everything
    return None
