"""Intervals hold what they promise, and are not needlessly wide."""

from __future__ import annotations

import random

import pytest

from netbpf.ir.arithmetic import compute
from netbpf.ir.intervals import ANY, Interval, interval_of, intervals
from netbpf.ir.program import U32, Alu, AluOp, Reg
from netbpf.ir.text import parse

A, B, X = Reg("a"), Reg("b"), Reg("x")
EDGES = (0, 1, 2, 3, 7, 8, 31, 32, 33, 0xFF, 0x100, 0xFFFF, 0x7FFFFFFF, 0x80000000, U32 - 1, U32)


def random_interval(rng: random.Random) -> Interval:
    low, high = sorted(rng.choice((*EDGES, rng.getrandbits(32))) for _ in range(2))
    return Interval(low, high)


@pytest.mark.parametrize("op", AluOp)
def test_the_result_lies_in_the_interval(op: AluOp) -> None:
    rng = random.Random(op.value)
    for _ in range(2000):
        operands = {A: random_interval(rng), B: random_interval(rng)}
        result = interval_of(Alu(X, op, A, B), operands.__getitem__)
        for _ in range(10):
            a, b = (
                rng.choice((i.low, i.high, rng.randint(i.low, i.high))) for i in operands.values()
            )
            value = compute(op, a, b)
            assert value is None or result.low <= value <= result.high, (operands, a, b, result)


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        (AluOp.ADD, (1, 2), (10, 20), (11, 22)),
        (AluOp.ADD, (1, U32), (0, 1), ANY),
        (AluOp.SUB, (10, 20), (1, 2), (8, 19)),
        (AluOp.SUB, (0, 20), (1, 2), ANY),
        (AluOp.MUL, (2, 3), (4, 5), (8, 15)),
        (AluOp.DIV, (10, 20), (2, 5), (2, 10)),
        (AluOp.DIV, (10, 20), (0, 5), (2, 20)),
        (AluOp.MOD, (0, 100), (8, 8), (0, 7)),
        (AluOp.MOD, (3, 5), (8, 8), (3, 5)),
        (AluOp.AND, (0, U32), (15, 15), (0, 15)),
        (AluOp.OR, (3, 9), (16, 16), (16, 31)),
        (AluOp.XOR, (0, 9), (0, 16), (0, 31)),
        (AluOp.LSH, (1, 15), (2, 2), (4, 60)),
        (AluOp.LSH, (1, 1), (0, 40), ANY),
        (AluOp.LSH, (1, 1), (32, 40), (0, 0)),
        (AluOp.RSH, (64, 255), (4, 4), (4, 15)),
        (AluOp.RSH, (64, 255), (4, 40), (0, 15)),
    ],
)
def test_intervals_are_narrow(
    op: AluOp, a: tuple[int, int], b: tuple[int, int], result: tuple[int, int]
) -> None:
    operands = {A: Interval(*a), B: Interval(*b)}
    assert interval_of(Alu(X, op, A, B), operands.__getitem__) == result


def test_a_join_has_what_any_of_its_assignments_can_give() -> None:
    program = parse("""
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          j = 14
          goto end
        right:
          b = load2 0
          j = b & 0x3ff
          goto end
        end:
          k = j
          w = load4 0
          p = meta vlan.present
          n = meta len
          match
    """)
    assert intervals(program) == {
        "a": (0, 0xFF),
        "j": (0, 0x3FF),
        "b": (0, 0xFFFF),
        "k": (0, 0x3FF),
        "w": ANY,
        "p": (0, 1),
        "n": ANY,
    }
