"""Random formulas (ir.formula) over three registers, and values that get around in them."""

from __future__ import annotations

import random

from netbpf.ir.formula import Bits, Formula, InSet, Within, every, some
from netbpf.ir.program import U32, Reg

REGISTERS = (Reg("a"), Reg("b"), Reg("c"))
_NUMBERS = (0, 1, 2, 6, 17, 80, 0x1FFF, 0x7FFFFFFF, 0x80000000, U32 - 1, U32)


def random_values(rng: random.Random) -> dict[Reg, int]:
    """Return a value for each register, mostly what formulas ask for, or next to it."""
    return {reg: (rng.choice(_NUMBERS) + rng.choice((0, 0, 0, 1, -1))) & U32 for reg in REGISTERS}


def random_formula(rng: random.Random, depth: int) -> Formula:
    """Return a formula with groups up to so many deep."""
    if depth and rng.random() < 0.7:
        parts = [random_formula(rng, depth - 1) for _ in range(rng.randint(2, 4))]
        return every(*parts) if rng.random() < 0.5 else some(*parts)
    reg, holds = rng.choice(REGISTERS), rng.random() < 0.6
    if rng.random() < 0.2:
        low, high = rng.choice(((1, 6), (17, 0x1FFF)))
        return InSet(reg, holds, members=((0, 0), (low, low), (high, 0x8000000F)))
    if rng.random() < 0.5:
        mask = rng.choice((1, 0xFF, 0xFFFF, 0xFFF00000, U32))
        return Bits(reg, holds, mask=mask, value=rng.choice(_NUMBERS) & mask)
    low, high = sorted(rng.choices(_NUMBERS, k=2))
    return Within(reg, holds, low=low, high=high)
