"""Run a pass, and compare with the text that should come out, or with the verdicts."""

from __future__ import annotations

import random
from collections.abc import Callable
from textwrap import dedent

from netbpf.ir.interp import Machine
from netbpf.ir.program import Program
from netbpf.ir.text import dump, parse
from netbpf.ir.verify import verify
from tests.support.irgen import random_packet


def check(improve: Callable[[Program], Program], before: str, after: str) -> None:
    """Assert that the pass turns one program into the other; '' stands for no change."""
    program = parse(dedent(before))
    verify(program)
    improved = improve(program)
    assert dump(improved) == dump(parse(dedent(after or before)))
    verify(improved)


def keeps_verdicts(
    improve: Callable[[Program], Program], program: Program, rng: random.Random
) -> tuple[bool, int]:
    """Assert that random packets keep their verdicts; tell if anything changed, and the matches."""
    verify(program)
    other = improve(program)
    verify(other)
    before, after = Machine(program), Machine(other, strict=True)
    matches = 0
    for _ in range(20):
        packet = random_packet(rng)
        expected = before.outputs(packet)
        matches += expected is not None
        assert after.outputs(packet) == expected, f"{dump(program)}\n{dump(other)}\n{packet}"
    return other is not program, matches
