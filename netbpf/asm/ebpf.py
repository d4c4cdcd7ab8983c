"""Extended BPF instructions (struct bpf_insn, include/uapi/linux/bpf.h; RFC 9669).

An `Insn` is one slot of 64 bits. The functions below make the instructions that code is generated
from; they are named as RFC 9669 names operations. `encode` and `decode` go to and from bytes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import Literal, NamedTuple

INSN_SIZE = 8  # bytes
FRAME_POINTER = 10
ByteOrder = Literal["little", "big"]


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


class Class(IntEnum):
    """The low three bits of a code."""

    LD = 0x00
    LDX = 0x01
    ST = 0x02
    STX = 0x03
    ALU = 0x04  # 32 bits; the upper half of the destination becomes 0
    JMP = 0x05
    JMP32 = 0x06  # Linux 5.1
    ALU64 = 0x07


class Mode(IntEnum):
    """The high three bits of a load's or store's code."""

    IMM = 0x00
    ABS = 0x20
    IND = 0x40
    MEM = 0x60
    MEMSX = 0x80
    ATOMIC = 0xC0


class Size(IntEnum):
    """Bits 3 and 4 of a load's or store's code."""

    W = 0x00
    H = 0x08
    B = 0x10
    DW = 0x18


class Source(IntEnum):
    """Bit 3 of an arithmetic or jump code: where the second operand is."""

    K = 0x00  # imm
    X = 0x08  # src


class Alu(IntEnum):
    """The high four bits of an arithmetic code."""

    ADD = 0x00
    SUB = 0x10
    MUL = 0x20
    DIV = 0x30
    OR = 0x40
    AND = 0x50
    LSH = 0x60
    RSH = 0x70
    NEG = 0x80
    MOD = 0x90
    XOR = 0xA0
    MOV = 0xB0
    ARSH = 0xC0
    END = 0xD0


class Jmp(IntEnum):
    """The high four bits of a jump code."""

    JA = 0x00
    JEQ = 0x10
    JGT = 0x20
    JGE = 0x30
    JSET = 0x40
    JNE = 0x50
    JSGT = 0x60
    JSGE = 0x70
    CALL = 0x80
    EXIT = 0x90
    JLT = 0xA0
    JLE = 0xB0
    JSLT = 0xC0
    JSLE = 0xD0


class PseudoCall(IntEnum):
    """What the source register of a call says of its immediate; 0: a helper's number."""

    FUNC = 1
    KFUNC = 2  # the BTF id of a function of the kernel


INVERSE = {
    Jmp.JEQ: Jmp.JNE, Jmp.JNE: Jmp.JEQ,
    Jmp.JGT: Jmp.JLE, Jmp.JLE: Jmp.JGT,
    Jmp.JGE: Jmp.JLT, Jmp.JLT: Jmp.JGE,
    Jmp.JSGT: Jmp.JSLE, Jmp.JSLE: Jmp.JSGT,
    Jmp.JSGE: Jmp.JSLT, Jmp.JSLT: Jmp.JSGE,
}  # fmt: skip
"""What jumps exactly where the other does not; JSET has no such partner."""

SIZE = {1: Size.B, 2: Size.H, 4: Size.W, 8: Size.DW}
"""Size codes by width in bytes."""


def signed(value: int) -> int:
    """Return the low 32 bits of `value` as the signed number that an `imm` field holds."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


# -- arithmetic ------------------------------------------------------------------------------------


def alu32(op: Alu, dst: int, imm: int) -> Insn:
    """32 bits: dst = dst op imm."""
    return Insn(Class.ALU | Source.K | op, dst, 0, 0, signed(imm))


def alu32_reg(op: Alu, dst: int, src: int) -> Insn:
    """32 bits: dst = dst op src."""
    return Insn(Class.ALU | Source.X | op, dst, src, 0, 0)


def alu64(op: Alu, dst: int, imm: int) -> Insn:
    """64 bits: dst = dst op imm, sign-extended."""
    return Insn(Class.ALU64 | Source.K | op, dst, 0, 0, signed(imm))


def alu64_reg(op: Alu, dst: int, src: int) -> Insn:
    """64 bits: dst = dst op src."""
    return Insn(Class.ALU64 | Source.X | op, dst, src, 0, 0)


def mov(dst: int, value: int) -> Insn:
    """Give dst an unsigned 32-bit constant; the upper half becomes 0."""
    return (alu64 if value < 0x80000000 else alu32)(Alu.MOV, dst, value)


def mov_reg(dst: int, src: int) -> Insn:
    """64 bits: dst = src."""
    return alu64_reg(Alu.MOV, dst, src)


def big_endian(dst: int, bits: int) -> Insn:
    """Convert dst from big-endian to the host's order, or back; `bits` 16, 32 or 64."""
    return Insn(Class.ALU | Alu.END | Source.X, dst, 0, 0, bits)


# -- memory ----------------------------------------------------------------------------------------


def load(width: int, dst: int, base: int, off: int = 0) -> Insn:
    """Read `width` bytes at base + off, zero-extended."""
    return Insn(Class.LDX | Mode.MEM | SIZE[width], dst, base, off, 0)


def store(width: int, base: int, off: int, src: int) -> Insn:
    """Write the low `width` bytes of src at base + off."""
    return Insn(Class.STX | Mode.MEM | SIZE[width], base, src, off, 0)


def store_imm(width: int, base: int, off: int, imm: int) -> Insn:
    """Write a constant, sign-extended when `width` is 8, at base + off."""
    return Insn(Class.ST | Mode.MEM | SIZE[width], base, 0, off, signed(imm))


def load_imm64(dst: int, low: int, high: int = 0, *, src: int = 0) -> tuple[Insn, Insn]:
    """Give dst a 64-bit constant, or with a pseudo source an address; two slots."""
    first = Insn(Class.LD | Mode.IMM | Size.DW, dst, src, 0, signed(low))
    return first, Insn(0, 0, 0, 0, signed(high))


def load_abs(width: int, offset: int) -> Insn:
    """r0 = packet bytes at a constant offset, in host order; clobbers r1 to r5, wants r6 = ctx."""
    return Insn(Class.LD | Mode.ABS | SIZE[width], 0, 0, 0, signed(offset))


def load_ind(width: int, src: int, offset: int) -> Insn:
    """r0 = packet bytes at src + offset; else like `load_abs`."""
    return Insn(Class.LD | Mode.IND | SIZE[width], 0, src, 0, signed(offset))


# -- control ---------------------------------------------------------------------------------------


def jump(off: int = 0) -> Insn:
    """Go on `off` slots behind the next."""
    return Insn(Class.JMP | Jmp.JA, 0, 0, off, 0)


def jump_imm(op: Jmp, dst: int, value: int, off: int = 0) -> Insn:
    """Jump if dst op value, an unsigned 32-bit constant; dst must be zero-extended.

    Compares 64 bits where that is the same (verifiers derive most from it), else 32.
    """
    kind = Class.JMP if value < 0x80000000 else Class.JMP32
    return Insn(kind | Source.K | op, dst, 0, off, signed(value))


def jump_reg(op: Jmp, dst: int, src: int, off: int = 0) -> Insn:
    """Jump if dst op src, 64 bits."""
    return Insn(Class.JMP | Source.X | op, dst, src, off, 0)


def call(number: int) -> Insn:
    """Call a helper: arguments in r1 to r5, which it clobbers; the result is in r0."""
    return Insn(Class.JMP | Jmp.CALL, 0, 0, 0, number)


def call_kernel(function: int) -> Insn:
    """Call a function of the kernel by its BTF id; else like `call` (Linux 5.13)."""
    return Insn(Class.JMP | Jmp.CALL, 0, PseudoCall.KFUNC, 0, function)


def leave() -> Insn:
    """End the program; r0 is its result."""
    return Insn(Class.JMP | Jmp.EXIT, 0, 0, 0, 0)


# -- bytes -----------------------------------------------------------------------------------------


def encode(insns: Iterable[Insn], *, byteorder: ByteOrder = sys.byteorder) -> bytes:
    """Return the instructions as the kernel of a machine of that byte order takes them."""
    if byteorder == "little":
        return b"".join(
            struct.pack("<BBhi", code, src << 4 | dst, off, imm)
            for code, dst, src, off, imm in insns
        )
    return b"".join(
        struct.pack(">BBhi", code, dst << 4 | src, off, imm) for code, dst, src, off, imm in insns
    )


def decode(data: bytes, *, byteorder: ByteOrder = sys.byteorder) -> tuple[Insn, ...]:
    """Return the instructions in `data`. Raises ValueError where it ends within one."""
    if len(data) % INSN_SIZE:
        raise ValueError(f"{len(data)} bytes are no whole number of instructions")
    little = byteorder == "little"
    insns = []
    for code, regs, off, imm in struct.iter_unpack("<BBhi" if little else ">BBhi", data):
        low, high = regs & 15, regs >> 4
        insns.append(Insn(code, low, high, off, imm) if little else Insn(code, high, low, off, imm))
    return tuple(insns)


def is_wide(insn: Insn) -> bool:
    """Whether the instruction takes two slots."""
    return insn.code == Class.LD | Mode.IMM | Size.DW
