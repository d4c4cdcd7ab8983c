"""The optimiser: passes from Program to Program, a file each, and their order."""

from __future__ import annotations

from netbpf.ir.passes.gather_tests import gather_tests
from netbpf.ir.passes.merge_bounds import merge_bounds
from netbpf.ir.passes.narrow_tests import narrow_tests
from netbpf.ir.passes.propagate import propagate
from netbpf.ir.passes.prune import prune
from netbpf.ir.passes.straighten import straighten
from netbpf.ir.passes.unify import unify
from netbpf.ir.program import Program

_FIRST = (unify, propagate, prune, straighten)
_AGAIN = (propagate, prune, straighten)  # on what has come together
_LAST = (gather_tests, merge_bounds)

PASSES = (*_FIRST, narrow_tests, *_AGAIN, *_LAST)
"""What `optimise` does, in this order."""

LARGE = 4096
"""Blocks from which on a program must have shrunk by a quarter, not a twentieth, to be gone through
again."""


def optimise(program: Program) -> Program:
    """Return a program that gives the same verdict and outputs on every packet, with less work.

    Near-linear in the size of the program.
    """
    before = len(program.blocks)
    for improve in _FIRST:
        program = improve(program)
    gone = before - len(program.blocks)
    # What has hardly shrunk will not do so the second time, and that is half of the work.
    promising = gone > before // (20 if before < LARGE else 4)
    narrowed = narrow_tests(program)
    again = _AGAIN if promising or narrowed is not program else ()
    program = narrowed
    for improve in (*again, *_LAST):
        program = improve(program)
    return program
