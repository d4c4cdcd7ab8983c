"""Listings: every form by hand, and whole programs against tcpdump's own."""

from __future__ import annotations

import subprocess

import pytest

from netbpf.asm.cbpf import Ancillary, Insn, Op
from netbpf.asm.cbpf_listing import c_array, decimal, line, listing
from tests.support.tools import require_tool

FORMS = {
    Op.LD_W_ABS: "ld       [26]",
    Op.LD_H_ABS: "ldh      [26]",
    Op.LD_B_ABS: "ldb      [26]",
    Op.LD_W_IND: "ld       [x + 26]",
    Op.LD_H_IND: "ldh      [x + 26]",
    Op.LD_B_IND: "ldb      [x + 26]",
    Op.LD_IMM: "ld       #0x1a",
    Op.LD_MEM: "ld       M[26]",
    Op.LD_LEN: "ld       #pktlen",
    Op.LDX_IMM: "ldx      #0x1a",
    Op.LDX_MEM: "ldx      M[26]",
    Op.LDX_LEN: "ldx      #pktlen",
    Op.LDX_MSH: "ldxb     4*([26]&0xf)",
    Op.ST: "st       M[26]",
    Op.STX: "stx      M[26]",
    Op.ADD_K: "add      #26",
    Op.ADD_X: "add      x",
    Op.SUB_K: "sub      #26",
    Op.SUB_X: "sub      x",
    Op.MUL_K: "mul      #26",
    Op.MUL_X: "mul      x",
    Op.DIV_K: "div      #26",
    Op.DIV_X: "div      x",
    Op.OR_K: "or       #0x1a",
    Op.OR_X: "or       x",
    Op.AND_K: "and      #0x1a",
    Op.AND_X: "and      x",
    Op.LSH_K: "lsh      #26",
    Op.LSH_X: "lsh      x",
    Op.RSH_K: "rsh      #26",
    Op.RSH_X: "rsh      x",
    Op.NEG: "neg",
    Op.MOD_K: "mod      #26",
    Op.MOD_X: "mod      x",
    Op.XOR_K: "xor      #0x1a",
    Op.XOR_X: "xor      x",
    Op.JA: "ja       36",
    Op.JEQ_K: "jeq      #0x1a            jt 11\tjf 13",
    Op.JEQ_X: "jeq      x                jt 11\tjf 13",
    Op.JGT_K: "jgt      #0x1a            jt 11\tjf 13",
    Op.JGT_X: "jgt      x                jt 11\tjf 13",
    Op.JGE_K: "jge      #0x1a            jt 11\tjf 13",
    Op.JGE_X: "jge      x                jt 11\tjf 13",
    Op.JSET_K: "jset     #0x1a            jt 11\tjf 13",
    Op.JSET_X: "jset     x                jt 11\tjf 13",
    Op.RET_K: "ret      #26",
    Op.RET_A: "ret",
    Op.TAX: "tax",
    Op.TXA: "txa",
}


@pytest.mark.parametrize("op", Op)
def test_every_form(op: Op) -> None:
    assert line(9, Insn(op, 1, 3, 26)) == f"(009) {FORMS[op]}"


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (Insn(Op.LD_B_ABS, 0, 0, Ancillary.VLAN_TAG_PRESENT), "ldb      [vlanp]"),
        (Insn(Op.LD_W_ABS, 0, 0, Ancillary.IFINDEX), "ld       [ifidx]"),
        (Insn(Op.LD_B_ABS, 0, 0, 0xFFFFF001), "ldb      [-4095]"),
        (Insn(Op.LD_W_IND, 0, 0, 0xFFFFFFFF), "ld       [x + -1]"),
        (Insn(Op.RET_K, 0, 0, 0xFFFFFFFF), "ret      #-1"),
        (Insn(Op.JEQ_K, 0, 0, 0xFFFFFFFF), "jeq      #0xffffffff      jt 1001\tjf 1001"),
        (Insn(0xFF, 0, 0, 0), "unimp    0xff"),
    ],
)
def test_numbers(insn: Insn, text: str) -> None:
    assert line(1000, insn) == f"(1000) {text}"


FILTERS = (
    "",
    "ip",
    "tcp port 80",
    "not ip6 and host 10.0.0.1 and tcp[tcpflags] & tcp-syn != 0",
    "vlan 5 and ip and len > 5 and ip[0:2] * 3 / 2 % 7 = 9",
    "(ip[2] << ip[3]) ^ 7 | 1 = 3 or ip[0] - 1 > ip[1] or ip[0] >> 2 >= len",
    "portrange 1000-2000 or net 192.0.2.0/24",
    "icmp[0] + ip[9:1] & 0xf = 0xffffffff",
)


@pytest.mark.parametrize("text", FILTERS)
def test_whole_programs_read_as_tcpdump_prints_them(text: str) -> None:
    tcpdump = require_tool("tcpdump")
    command = [tcpdump, "-y", "EN10MB", "--no-optimize", text]
    printed = [
        subprocess.run([*command, flag], capture_output=True, text=True, check=True).stdout
        for flag in ("-d", "-dd", "-ddd")
    ]
    insns = [Insn(*map(int, row.split())) for row in printed[2].splitlines()[1:]]
    # Older versions end a line without an operand in spaces.
    assert listing(insns) == [row.rstrip() for row in printed[0].splitlines()]
    assert c_array(insns) == printed[1].splitlines()
    assert decimal(insns) == printed[2].splitlines()
