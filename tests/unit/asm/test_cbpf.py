"""Classic BPF: encoding, and the rules, held against the kernel's own check."""

from __future__ import annotations

import random
import struct

import pytest

from netbpf.asm.cbpf import Ancillary, Insn, Op, check, decode, encode
from netbpf.errors import InputError
from tests.support.kernel_cbpf import KernelFilter
from tests.support.tools import scaled

IP = (
    Insn(Op.LD_H_ABS, 0, 0, 12),
    Insn(Op.JEQ_K, 0, 1, 0x800),
    Insn(Op.RET_K, 0, 0, 262144),
    Insn(Op.RET_K, 0, 0, 0),
)
ACCEPT = Insn(Op.RET_K, 0, 0, 1)


def kernel_accepts(insns: tuple[Insn, ...]) -> bool:
    try:
        KernelFilter(insns).close()
    except OSError:
        return False
    return True


def test_encode_is_an_array_of_sock_filter() -> None:
    assert encode(IP[1:2]) == struct.pack("=HBBI", 0x15, 0, 1, 0x800)
    assert decode(encode(IP)) == IP


def test_decode_refuses_half_an_instruction() -> None:
    with pytest.raises(InputError, match="12 bytes are no multiple of 8"):
        decode(bytes(12))


@pytest.mark.parametrize(
    ("insns", "problem"),
    [
        ((), "0 instructions, not 1 to 4096"),
        ((ACCEPT,) * 4097, "4097 instructions, not 1 to 4096"),
        ((Insn(0xFF, 0, 0, 0), ACCEPT), "0: unknown code 0xff"),
        ((Insn(Op.DIV_K, 0, 0, 0), ACCEPT), "0: divides by zero"),
        ((Insn(Op.MOD_K, 0, 0, 0), ACCEPT), "0: divides by zero"),
        ((Insn(Op.LSH_K, 0, 0, 32), ACCEPT), "0: shifts by 32"),
        ((Insn(Op.ST, 0, 0, 16), ACCEPT), "0: there is no M[16]"),
        ((Insn(Op.LD_W_ABS, 0, 0, 0xFFFFF040), ACCEPT), "there is no ancillary data at 0xfffff040"),
        ((ACCEPT, Insn(Op.TAX, 0, 0, 0)), "1: goes past the end"),
        ((Insn(Op.JA, 0, 0, 1), ACCEPT), "0: goes past the end"),
        ((Insn(Op.JA, 0, 0, 0xFFFFFFFE), ACCEPT), "0: goes past the end"),
        ((Insn(Op.JEQ_K, 0, 1, 0), ACCEPT), "0: goes past the end"),
        ((Insn(Op.JEQ_K, 1, 0, 0), ACCEPT), "0: goes past the end"),
        ((Insn(Op.LD_MEM, 0, 0, 3), ACCEPT), "0: reads M[3], which is not written on every path"),
        (
            (IP[1], Insn(Op.STX, 0, 0, 2), Insn(Op.LDX_MEM, 0, 0, 2), ACCEPT),
            "2: reads M[2], which is not written on every path",
        ),
        (
            (IP[1], ACCEPT, Insn(Op.LD_MEM, 0, 0, 1), ACCEPT),
            "2: reads M[1], which is not written on every path",
        ),
        # What follows a return is no more reached than this.
        ((ACCEPT, Insn(Op.LD_MEM, 0, 0, 1), ACCEPT), "1: reads M[1]"),
    ],
)
def test_check_says_what_is_wrong(insns: tuple[Insn, ...], problem: str) -> None:
    assert problem in (check(insns) or "")
    assert not kernel_accepts(insns)


def test_check_knows_how_far_a_jump_goes() -> None:
    near = (Insn(Op.JEQ_K, 255, 0, 0), *(ACCEPT,) * 257)
    assert check(near) is None
    assert kernel_accepts(near)
    assert check((near[0]._replace(jt=256), *near[1:])) == "0: jumps further than 255"
    assert check((near[0]._replace(jf=256), *near[1:])) == "0: jumps further than 255"


@pytest.mark.parametrize(
    "insns",
    [
        IP,
        (ACCEPT,) * 4096,
        *((Insn(Op.LD_B_ABS, 0, 0, field), ACCEPT) for field in Ancillary),
        (Insn(Op.LD_B_IND, 0, 0, 0xFFFFFFFF), ACCEPT),
        (Insn(Op.ST, 0, 0, 15), Insn(Op.LD_MEM, 0, 0, 15), Insn(Op.RET_A, 0, 0, 0)),
        # What cannot be reached may read what was not written.
        (Insn(Op.JA, 0, 0, 1), Insn(Op.LD_MEM, 0, 0, 1), ACCEPT),
    ],
)
def test_check_lets_pass_what_the_kernel_takes(insns: tuple[Insn, ...]) -> None:
    assert check(insns) is None
    assert kernel_accepts(insns)


def random_program(rng: random.Random) -> tuple[Insn, ...]:
    """Return a short program of which about every second is right."""
    length = rng.randint(1, 6)
    ops = list(Op)
    insns = []
    for index in range(length):
        rest = length - index - 1
        k = rng.choice((0, 1, 2, 3, 15, 16, 31, 32, 0xFFFFF000, 0xFFFFF001, rng.getrandbits(32)))
        op: int = rng.choice(ops)
        if rng.random() < 0.5:
            op = rng.choice((Op.ST, Op.LD_MEM, Op.JEQ_K, Op.JGE_X, Op.JA))
            k = rng.randint(0, 2)
        if rng.random() < 0.03:
            op = rng.getrandbits(16)
        jt, jf = rng.randint(0, max(1, rest)), rng.randint(0, max(1, rest))
        insns.append(Insn(op, jt, jf, k))
    if rng.random() < 0.9:
        insns[-1] = Insn(rng.choice((Op.RET_K, Op.RET_A)), 0, 0, 1)
    return tuple(insns)


def test_check_agrees_with_the_kernel() -> None:
    rng = random.Random(1)
    verdicts = {True: 0, False: 0}
    for _ in range(scaled(3000)):
        insns = random_program(rng)
        accepted = kernel_accepts(insns)
        verdicts[accepted] += 1
        assert (check(insns) is None) is accepted, (check(insns), insns)
    assert min(verdicts.values()) > sum(verdicts.values()) / 10
