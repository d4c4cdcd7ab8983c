from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Alu, Insn, Jmp

INSNS = st.lists(
    st.builds(
        Insn,
        code=st.integers(0, 255),
        dst=st.integers(0, 15),
        src=st.integers(0, 15),
        off=st.integers(-(1 << 15), (1 << 15) - 1),
        imm=st.integers(-(1 << 31), (1 << 31) - 1),
    ),
    max_size=5,
)


# Bytes as `clang -target bpf -c` puts them into an object.
@pytest.mark.parametrize(
    ("insn", "expected"),
    [
        (ebpf.mov(0, 2), "b700000002000000"),
        (ebpf.mov_reg(6, 1), "bf16000000000000"),
        (ebpf.load(4, 7, 6, 4), "6167040000000000"),
        (ebpf.load(2, 2, 7, 12), "69720c0000000000"),
        (ebpf.load(1, 2, 7, -1), "7172ffff00000000"),
        (ebpf.store(8, 10, -8, 1), "7b1af8ff00000000"),
        (ebpf.store_imm(4, 10, -4, 1), "620afcff01000000"),
        (ebpf.alu64(Alu.ADD, 3, -16), "07030000f0ffffff"),
        (ebpf.alu64_reg(Alu.ADD, 1, 2), "0f21000000000000"),
        (ebpf.alu32(Alu.AND, 1, 15), "540100000f000000"),
        (ebpf.alu32_reg(Alu.LSH, 1, 2), "6c21000000000000"),
        (ebpf.big_endian(3, 16), "dc03000010000000"),
        (ebpf.jump(5), "0500050000000000"),
        (ebpf.jump_imm(Jmp.JNE, 2, 8, 17), "5502110008000000"),
        (ebpf.jump_reg(Jmp.JGT, 0, 8, 31), "2d801f0000000000"),
        (ebpf.load_abs(2, 12), "280000000c000000"),
        (ebpf.load_ind(1, 7, 4), "5070000004000000"),
        (ebpf.call(26), "850000001a000000"),
        (ebpf.leave(), "9500000000000000"),
    ],
)
def test_little_endian_encoding(insn: Insn, expected: str) -> None:
    assert ebpf.encode([insn], byteorder="little").hex() == expected


def test_big_endian_machines_swap_numbers_and_registers() -> None:
    assert ebpf.encode([ebpf.load(4, 7, 6, 4)], byteorder="big").hex() == "6176000400000000"


@given(insns=INSNS)
@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_decode_undoes_encode(byteorder: ebpf.ByteOrder, insns: list[Insn]) -> None:
    data = ebpf.encode(insns, byteorder=byteorder)
    assert ebpf.decode(data, byteorder=byteorder) == tuple(insns)


def test_decode_refuses_half_an_instruction() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        ebpf.decode(bytes(12))


def test_a_large_constant_is_moved_without_sign() -> None:
    assert ebpf.mov(1, 0x7FFFFFFF) == Insn(0xB7, 1, 0, 0, 0x7FFFFFFF)  # 64 bits
    assert ebpf.mov(1, 0x80000000) == Insn(0xB4, 1, 0, 0, -0x80000000)  # 32 bits
    assert ebpf.mov(1, 0xFFFFFFFF) == Insn(0xB4, 1, 0, 0, -1)


def test_a_large_constant_is_compared_without_sign() -> None:
    assert ebpf.jump_imm(Jmp.JEQ, 1, 0x7FFFFFFF).code == 0x15  # 64 bits
    assert ebpf.jump_imm(Jmp.JEQ, 1, 0x80000000).code == 0x16  # 32 bits


def test_a_wide_load_takes_two_slots() -> None:
    first, second = ebpf.load_imm64(3, 0xFFFFFFFF, 2, src=1)
    assert ebpf.is_wide(first)
    assert (first, second) == (Insn(0x18, 3, 1, 0, -1), Insn(0, 0, 0, 0, 2))


def test_each_inverse_is_its_own_inverse() -> None:
    assert all(ebpf.INVERSE[other] is op for op, other in ebpf.INVERSE.items())
    assert Jmp.JSET not in ebpf.INVERSE
