"""Every pass keeps verdict and outputs, on random programs and packets."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from netbpf.ir.interp import Machine
from netbpf.ir.passes import PASSES, optimise
from netbpf.ir.passes.expand_members import expand_members
from netbpf.ir.passes.guard_addresses import guard_addresses
from netbpf.ir.passes.guard_shifts import guard_shifts
from netbpf.ir.passes.order_tests import order_tests
from netbpf.ir.passes.regroup_tests import regroup_tests
from netbpf.ir.passes.skip_implied import skip_implied
from netbpf.ir.program import Program
from netbpf.ir.text import dump
from netbpf.ir.verify import verify
from tests.support.irgen import random_packet, random_program
from tests.support.tools import scaled

ALL = (
    *dict.fromkeys(PASSES),
    regroup_tests,
    order_tests,
    expand_members,
    guard_addresses,
    guard_shifts,
    skip_implied,
    optimise,
)


@pytest.mark.parametrize("improve", ALL, ids=lambda improve: str(improve.__name__))
def test_a_pass_changes_no_verdict(improve: Callable[[Program], Program]) -> None:
    matches = 0
    total = scaled(150)
    for seed in range(total):
        rng = random.Random(seed)
        program = random_program(rng, size=rng.choice((2, 4, 8, 16, 30)))
        verify(program)
        before = dump(program)
        improved = improve(program)
        assert dump(program) == before, "the input was touched"
        context = f"seed {seed}\n{before}\nbecame\n{dump(improved)}"
        verify(improved)
        reference, machine = Machine(program), Machine(improved, strict=True)
        for _ in range(20):
            packet = random_packet(rng)
            expected = reference.outputs(packet)
            assert machine.outputs(packet) == expected, f"{packet}\n{context}"
            matches += expected is not None
    assert 0.1 < matches / (20 * total) < 0.9
