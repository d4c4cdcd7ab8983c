from __future__ import annotations

import random

import pytest

from netbpf.codegen.ebpf.regalloc import Allocation, Bank, Step, allocate
from netbpf.ir.program import Reg

BANK = Bank(volatile=(2, 3), preserved=(7, 8))
A, B, C, D, E = map(Reg, "abcde")


def define(reg: Reg) -> Step:
    return Step((), reg)


def use(*regs: Reg) -> Step:
    return Step(regs, None)


CALL = Step((), None, clobbers=True)


def test_values_that_live_together_lie_apart() -> None:
    places = allocate([define(A), define(B), use(A, B)], BANK).registers
    assert places == {A: 2, B: 3}


def test_a_register_is_given_out_again_where_its_value_is_used_last() -> None:
    places = allocate([define(A), Step((A,), B), use(B)], BANK).registers
    assert places[A] == places[B]


def test_a_value_that_nobody_uses_overwrites_nothing() -> None:
    places = allocate([define(A), define(B), use(A)], BANK).registers
    assert places[A] != places[B]


def test_what_is_needed_behind_a_call_is_preserved() -> None:
    places = allocate([define(A), CALL, use(A)], BANK).registers
    assert places[A] in BANK.preserved


@pytest.mark.parametrize(
    "steps",
    [
        [define(A), Step((A,), None, clobbers=True)],  # an argument
        [Step((), A, clobbers=True), use(A)],  # a result
    ],
)
def test_what_only_touches_a_call_may_be_volatile(steps: list[Step]) -> None:
    assert allocate(steps, BANK).registers[A] in BANK.volatile


def test_a_wish_is_granted_where_the_register_is_free() -> None:
    steps = [define(A), define(B), use(A), Step((B,), C, like=B), use(C)]
    places = allocate(steps, BANK).registers
    assert places[C] == places[B]


def test_what_is_needed_for_longest_is_spilled() -> None:
    steps = [define(reg) for reg in (A, B, C, D, E)]
    steps += [use(reg) for reg in (B, C, D, E, A)]
    allocation = allocate(steps, BANK)
    assert allocation.slots == {A: 0}
    assert set(allocation.registers) == {B, C, D, E}


def test_slots_are_used_again() -> None:
    across = Bank(volatile=(2,), preserved=())
    steps = [define(A), CALL, use(A), define(B), CALL, use(B)]
    assert allocate(steps, across).slots == {A: 0, B: 0}


def test_a_join_keeps_one_place_through_all_its_assignments() -> None:
    # a is assigned on two ways; b lives between the assignments.
    steps = [define(A), define(B), use(B), define(A), use(A)]
    places = allocate(steps, BANK).registers
    assert places[A] != places[B]


@pytest.mark.parametrize("seed", range(40))
def test_random_code_keeps_its_values(seed: int) -> None:
    rng = random.Random(seed)
    steps: list[Step] = []
    known: list[Reg] = []
    for number in range(60):
        reads = tuple(rng.sample(known, min(len(known), rng.randint(0, 3))))
        writes = None
        if not known or rng.random() < 0.6:
            writes = rng.choice(known) if known and rng.random() < 0.1 else Reg(f"v{number}")
            known = [*known[-9:], writes]
        steps.append(Step(reads, writes, clobbers=rng.random() < 0.1))
    assert holds(steps, allocate(steps, BANK)) > 30


def holds(steps: list[Step], allocation: Allocation) -> int:
    """Execute: every read finds the value last written. Return how many reads there were."""
    memory: dict[tuple[str, int], Reg] = {}
    reads = 0

    def place(reg: Reg) -> tuple[str, int]:
        if reg in allocation.slots:
            return "slot", allocation.slots[reg]
        return "register", allocation.registers[reg]

    for step in steps:
        for reg in step.reads:
            assert memory[place(reg)] == reg
            reads += 1
        if step.clobbers:
            for number in BANK.volatile:
                memory.pop(("register", number), None)
        if step.writes is not None:
            memory[place(step.writes)] = step.writes
    return reads
