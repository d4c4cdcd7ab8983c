"""The notation is the kernel's: the last test asks the kernel."""

from __future__ import annotations

import re

import pytest

from netbpf.asm import ebpf
from netbpf.asm.disasm import listing, text
from netbpf.asm.ebpf import Alu, Insn, Jmp
from netbpf.asm.helpers import Helper
from netbpf.objects import Program
from netbpf.spec import ProgramSpec
from netbpf.uapi.bpf import ProgType


@pytest.mark.parametrize(
    ("insn", "expected"),
    [
        (ebpf.mov(0, 2), "r0 = 2"),
        (ebpf.mov(0, 0xFFFFFFFF), "w0 = -1"),
        (ebpf.mov_reg(6, 1), "r6 = r1"),
        (ebpf.load(4, 7, 6, 4), "r7 = *(u32 *)(r6 +4)"),
        (ebpf.load(1, 7, 6, -4), "r7 = *(u8 *)(r6 -4)"),
        (Insn(0x91, 1, 2, 0, 0), "r1 = *(s8 *)(r2 +0)"),
        (ebpf.store(8, 10, -8, 1), "*(u64 *)(r10 -8) = r1"),
        (ebpf.store_imm(2, 10, -4, -1), "*(u16 *)(r10 -4) = -1"),
        (ebpf.alu64(Alu.ADD, 3, -16), "r3 += -16"),
        (ebpf.alu64(Alu.ARSH, 3, 63), "r3 s>>= 63"),
        (ebpf.alu32(Alu.AND, 1, 15), "w1 &= 15"),
        (ebpf.alu32_reg(Alu.LSH, 1, 2), "w1 <<= w2"),
        (Insn(0x87, 1, 0, 0, 0), "r1 = -r1"),
        (Insn(0x37, 1, 0, 1, 5), "r1 s/= 5"),
        (Insn(0xBF, 1, 2, 8, 0), "r1 = (s8)r2"),
        (ebpf.big_endian(3, 16), "r3 = be16 r3"),
        (Insn(0xD4, 3, 0, 0, 32), "r3 = le32 r3"),
        (Insn(0xD7, 3, 0, 0, 64), "r3 = bswap64 r3"),
        (ebpf.jump(5), "goto pc+5"),
        (Insn(0x06, 0, 0, 0, -3), "gotol pc-3"),
        (ebpf.jump_imm(Jmp.JNE, 2, 8, 17), "if r2 != 0x8 goto pc+17"),
        (ebpf.jump_imm(Jmp.JSET, 2, 0xFFFFFFFF, 1), "if w2 & 0xffffffff goto pc+1"),
        (ebpf.jump_reg(Jmp.JSLE, 0, 8, -2), "if r0 s<= r8 goto pc-2"),
        (ebpf.load_abs(2, 12), "r0 = *(u16 *)skb[12]"),
        (ebpf.load_ind(1, 7, 4), "r0 = *(u8 *)skb[r7 + 4]"),
        (ebpf.call(Helper.SKB_LOAD_BYTES), "call bpf_skb_load_bytes#26"),
        (ebpf.call(9999), "call #9999"),
        (Insn(0x85, 0, 1, 0, 7), "call pc+7"),
        (Insn(0x85, 0, 2, 0, 7), "call kernel-function#7"),
        (ebpf.leave(), "exit"),
        (Insn(0xDB, 1, 2, 8, 0x00), "lock *(u64 *)(r1 +8) += r2"),
        (Insn(0xC3, 1, 2, 8, 0x51), "r2 = atomic_fetch_and((u32 *)(r1 +8), r2)"),
        (Insn(0xDB, 1, 2, 0, 0xE1), "r2 = atomic64_xchg((u64 *)(r1 +0), r2)"),
        (Insn(0xDB, 1, 2, 0, 0xF1), "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"),
        (Insn(0xE7, 1, 0, 0, 0), "BUG_e7"),
    ],
)
def test_text(insn: Insn, expected: str) -> None:
    assert text(insn) == expected


def test_a_wide_load_takes_two_numbers_and_one_line() -> None:
    insns = (
        *ebpf.load_imm64(1, 0, src=1),
        *ebpf.load_imm64(2, 0, 8, src=2),
        *ebpf.load_imm64(3, -1, 1),
        ebpf.leave(),
    )
    assert listing(insns, {0: "totals", 2: "set0"}) == [
        "   0: (18) r1 = map[totals]",
        "   2: (18) r2 = map[set0][0]+8",
        "   4: (18) r3 = 0x1ffffffff",
        "   6: (95) exit",
    ]


@pytest.mark.root
def test_the_kernel_prints_the_same() -> None:
    """The verifier's log shows each instruction that it walks over, in the kernel's notation."""
    insns = (
        ebpf.mov_reg(6, 1),
        ebpf.store_imm(8, 10, -8, -5),
        ebpf.load(8, 7, 10, -8),
        ebpf.load(1, 8, 10, -8),
        ebpf.mov(2, 0x80000000),
        ebpf.alu64(Alu.MUL, 7, -3),
        ebpf.alu32(Alu.DIV, 7, 3),
        ebpf.alu32_reg(Alu.XOR, 7, 8),
        ebpf.alu64_reg(Alu.SUB, 7, 8),
        ebpf.alu64(Alu.ARSH, 7, 3),
        ebpf.alu32_reg(Alu.RSH, 7, 8),
        ebpf.big_endian(7, 32),
        ebpf.store(4, 10, -16, 7),
        ebpf.store(2, 10, -12, 7),
        *ebpf.load_imm64(3, 1, 2),
        ebpf.jump_imm(Jmp.JGT, 7, 0x90000000, 1),
        ebpf.jump_imm(Jmp.JSET, 7, 16, 0),
        ebpf.jump_reg(Jmp.JSLT, 7, 8, 1),
        ebpf.jump(1),
        ebpf.jump(0),
        ebpf.load_abs(2, 12),
        ebpf.mov_reg(9, 0),
        ebpf.load_ind(1, 9, 3),
        ebpf.mov(2, 0),
        ebpf.mov_reg(1, 6),
        ebpf.mov_reg(3, 10),
        ebpf.alu64(Alu.ADD, 3, -8),
        ebpf.mov(4, 4),
        ebpf.call(Helper.SKB_LOAD_BYTES),
        ebpf.leave(),
    )
    spec = ProgramSpec("disasm", ProgType.SOCKET_FILTER, None, insns, (), ())
    with Program.load(spec, log_level=2) as loaded:
        lines = re.findall(r"^(\d+): (\([0-9a-f]{2}\) .*?)\s*(?:;.*)?$", loaded.log, re.MULTILINE)
    shown = {int(number): line for number, line in lines}
    ours = {int(line[:4]): line[6:] for line in listing(insns)}
    assert len(shown) == len(ours)  # every instruction was walked over
    assert shown == ours
