"""The optimiser: passes from Program to Program, a file each, and their order."""

from __future__ import annotations

from netbpf.ir.passes.gather_tests import gather_tests
from netbpf.ir.passes.merge_bounds import merge_bounds
from netbpf.ir.passes.propagate import propagate
from netbpf.ir.passes.prune import prune
from netbpf.ir.passes.straighten import straighten
from netbpf.ir.passes.unify import unify
from netbpf.ir.program import Program

PASSES = (
    unify,
    propagate,
    prune,
    straighten,
    propagate,  # once more, on what has come together
    prune,
    straighten,
    gather_tests,
    merge_bounds,
)
"""What `optimise` does, in this order."""


def optimise(program: Program) -> Program:
    """Return a program that gives the same verdict and outputs on every packet, with less work.

    Near-linear in the size of the program.
    """
    for improve in PASSES:
        program = improve(program)
    return program
