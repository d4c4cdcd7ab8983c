"""The telling line of verifier logs, as Linux 5.10 to 6.18 write them."""

from __future__ import annotations

import pytest

from netbpf.kernel.verifier_log import complaint

SUMMARY = (
    "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 "
    "mark_read 0\n\n"
)
PACKET = """\
0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +4)          ; R1=ctx() R2=pkt_end()
1: (61) r1 = *(u32 *)(r1 +0)          ; R1=pkt(r=0)
2: (71) r0 = *(u8 *)(r1 +20)
invalid access to packet, off=20 size=1, R1(id=0,off=20,r=14)
R1 offset is outside of the packet
"""
OLD = """\
func#0 @0
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
0: (b7) r0 = 1
1: R0_w=invP1 R1=ctx(id=0,off=0,imm=0) R10=fp0
1: (55) if r0 != 0x0 goto pc+1
last_idx 1 first_idx 0
regs=1 stack=0 before 0: (b7) r0 = 1

from 1 to 3: R0_w=inv(id=0) R1=ctx(id=0,off=0,imm=0) R10=fp0
3: (bf) r3 = r4
R4 !read_ok
"""
BACKTRACK = """\
0: R1=ctx() R10=fp0
0: (85) call bpf_get_prandom_u32#7    ; R0=scalar()
mark_precise: frame0: last_idx 0 first_idx 0 subseq_idx -1
from 4 to 9: R0=scalar() R10=fp0
9: R0=scalar() R10=fp0
9: (0f) r1 += r0
math between ctx pointer and register with unbounded min value is not allowed
verification time 20 usec
stack depth 0
"""


@pytest.mark.parametrize(
    ("log", "line", "insn"),
    [
        (PACKET, "invalid access to packet, off=20 size=1, R1(id=0,off=20,r=14)", 2),
        (OLD, "R4 !read_ok", 3),
        (
            BACKTRACK,
            "math between ctx pointer and register with unbounded min value is not allowed",
            9,
        ),
        ("last insn is not an exit or jmp\n", "last insn is not an exit or jmp", None),
        ("unreachable insn 12\n", "unreachable insn 12", 12),
        ("jump out of range from insn 1 to 7\n", "jump out of range from insn 1 to 7", 1),
        ("back-edge from insn 31 to 4\n", "back-edge from insn 31 to 4", 31),
        (
            "fd 99 is not pointing to valid bpf_map\n",
            "fd 99 is not pointing to valid bpf_map",
            None,
        ),
        (
            "0: (95) exit\nBPF program is too large. Processed 1000001 insn\n",
            "BPF program is too large. Processed 1000001 insn",
            0,
        ),
    ],
)
def test_complaint(log: str, line: str, insn: int | None) -> None:
    for text in (log, log + SUMMARY):
        found = complaint(text)
        assert (found.line, found.insn) == (line, insn)


def test_nothing_told() -> None:
    assert complaint("").line == ""
    assert complaint("").insn is None
    assert complaint(SUMMARY).insn is None


def test_cut_log_still_names_the_instruction() -> None:
    """A log that was cut at its end has no complaint; where it stopped is still worth telling."""
    found = complaint("0: R1=ctx() R10=fp0\n0: (b7) r0 = 0\n1: (61) r2 = *(u32 *)(r9 +4)\n")
    assert found.insn == 1
    assert found.line == "1: (61) r2 = *(u32 *)(r9 +4)"
