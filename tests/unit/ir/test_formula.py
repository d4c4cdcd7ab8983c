from __future__ import annotations

import random

import pytest

from netbpf.ir.formula import Bits, Every, Formula, Some, Within, every, some
from netbpf.ir.program import U32, Reg
from tests.support.formulas import random_formula, random_values

A, B = Reg("a"), Reg("b")
PORT = Bits(A, mask=0xFFFF, value=80)
HIGH = Within(A, low=1024)
LOW = Within(A, high=2000)


@pytest.mark.parametrize("seed", range(50))
def test_the_opposite_is_true_where_a_formula_is_not(seed: int) -> None:
    rng = random.Random(seed)
    formula = random_formula(rng, 3)
    for _ in range(40):
        values = random_values(rng)
        assert formula.negated().is_true(values) is not formula.is_true(values), str(formula)


@pytest.mark.parametrize("seed", range(50))
def test_groups_say_what_their_parts_say(seed: int) -> None:
    rng = random.Random(seed)
    parts = [random_formula(rng, 2) for _ in range(3)]
    for _ in range(40):
        values = random_values(rng)
        truths = [part.is_true(values) for part in parts]
        assert every(*parts).is_true(values) is all(truths)
        assert some(*parts).is_true(values) is any(truths)


def test_groups_are_flat() -> None:
    other = Bits(B, mask=1, value=1)
    assert every(every(PORT, other), HIGH) == Every((PORT, other, HIGH))
    assert some(PORT, some(other, HIGH)) == Some((PORT, other, HIGH))
    assert every(PORT) == some(PORT) == PORT


def test_two_ends_become_a_range() -> None:
    assert every(HIGH, LOW) == Within(A, low=1024, high=2000)
    assert every(HIGH, Within(A, low=4000)) == Within(A, low=4000)
    apart = every(Within(A, low=5000), LOW)
    assert apart == Every((Within(A, low=5000), LOW)), "no range holds nothing"


@pytest.mark.parametrize(
    ("formula", "opposite"),
    [
        (HIGH, Within(A, low=0, high=1023)),
        (LOW, Within(A, low=2001, high=U32)),
        (Within(A, low=5, high=6), Within(A, low=5, high=6, holds=False)),
        (PORT, Bits(A, mask=0xFFFF, value=80, holds=False)),
    ],
)
def test_opposites(formula: Formula, opposite: Formula) -> None:
    assert formula.negated() == opposite
    assert opposite.negated() == formula


def test_text_names_and_registers() -> None:
    formula = every(PORT, some(HIGH.negated(), Bits(B, mask=2, value=0, holds=False)))
    assert str(formula) == "a & 0xffff == 0x50 and ( a in 0x0-0x3ff or b & 0x2 != 0x0 )"
    assert list(formula.registers()) == [A, A, B]
    assert str(formula.renamed({A: B, B: A})).startswith("b & 0xffff == 0x50 and ( b in")
