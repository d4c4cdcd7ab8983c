"""A formula's number is 0 iff the formula is true."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from netbpf.asm.ebpf import Alu
from netbpf.codegen.ebpf.byteorder import swap
from netbpf.codegen.ebpf.zero import Find, Wide, Zeros
from netbpf.ir.arithmetic import contains
from netbpf.ir.formula import Bits, Formula, Some
from netbpf.ir.intervals import ANY, Interval
from netbpf.ir.program import U32, Reg
from tests.support.formulas import REGISTERS, random_formula, random_values

U64 = (1 << 64) - 1
OPERATIONS = {
    Alu.AND: lambda a, b: a & b,
    Alu.OR: lambda a, b: a | b,
    Alu.XOR: lambda a, b: a ^ b,
    Alu.SUB: lambda a, b: a - b,
    Alu.MUL: lambda a, b: a * b,
    Alu.RSH: lambda a, b: a >> b,
}


def run(nodes: Sequence[Wide | Find], values: dict[Reg, int]) -> dict[Reg, int]:
    """Execute the steps as eBPF does: constants of 64-bit operations are sign-extended."""
    known = dict(values)
    for node in nodes:
        if isinstance(node, Find):
            known[node.dst] = 0 if contains(node.member.members, known[node.member.regs[0]]) else 7
            continue
        a, b = (known[x] if isinstance(x, str) else x for x in (node.a, node.b))
        if not node.short and isinstance(node.b, int) and b & 0x80000000:
            b |= U64 - U32
        known[node.dst] = OPERATIONS[node.op](a, b) & (U32 if node.short else U64)
    return known


def number(formula: Formula, values: dict[Reg, int], zeros: Zeros) -> int:
    nodes, reg = zeros.nodes(formula, None)
    return run(nodes, values)[reg]


@pytest.mark.parametrize("seed", range(100))
def test_zero_iff_true(seed: int) -> None:
    rng = random.Random(seed)
    formula = random_formula(rng, 3)
    zeros = Zeros(dict.fromkeys(REGISTERS, ANY), {})
    outcomes = set()
    for _ in range(60):
        values = random_values(rng)
        outcomes.add(formula.is_true(values))
        assert (number(formula, values, zeros) == 0) is formula.is_true(values), str(formula)


def test_products_that_do_not_fit_are_reduced() -> None:
    """Three numbers of 32 bits, whose product is 0 modulo 2^64 though none of them is 0."""
    formula = Some(tuple(Bits(reg, mask=U32, value=1) for reg in REGISTERS))
    values = dict.fromkeys(REGISTERS, 0x80000001)
    assert not formula.is_true(values)
    assert number(formula, values, Zeros(dict.fromkeys(REGISTERS, ANY), {})) != 0


def test_values_in_network_order_meet_swapped_constants() -> None:
    (a, *_) = REGISTERS
    zeros = Zeros({a: Interval(0, 0xFFFF)}, {a: 2})
    formula = Bits(a, mask=0x1FFF, value=0x0102)
    for value in (0x0102, 0xE102, 0x0201, 0x0103):
        on_wire = {a: swap(value, 2)}
        assert (number(formula, on_wire, zeros) == 0) is formula.is_true({a: value})


def test_a_mask_of_all_bits_is_left_out() -> None:
    (a, *_) = REGISTERS
    nodes, _ = Zeros({a: Interval(0, 255)}, {}).nodes(Bits(a, mask=0xFF, value=6), None)
    assert [node.op for node in nodes if isinstance(node, Wide)] == [Alu.XOR]
    nodes, reg = Zeros({a: Interval(0, 255)}, {}).nodes(Bits(a, mask=0xFF, value=0), None)
    assert (nodes, reg) == ([], a)
