"""Random expressions of tests of single bytes and words, for packets of tests.support.irgen.

Unlike primitives of protocols they can fail and hold in all combinations.
"""

from __future__ import annotations

import random

from tests.support.irgen import BYTES, LONGEST


def random_text(rng: random.Random, depth: int) -> str:
    """Return an expression with parentheses up to so many deep."""
    if depth and rng.random() < 0.8:
        word = rng.choice((" and ", " or "))
        terms = [random_text(rng, depth - 1) for _ in range(rng.randint(2, 4))]
        return f"{rng.choice(('', 'not '))}({word.join(terms)})"
    if rng.random() < 0.2:
        at, size = rng.randrange(LONGEST - 4), rng.choice((1, 2, 4))
        values = rng.sample(range(1 << min(8 * size, 16)), 6) + list(BYTES)
        return f"({' or '.join(f'ether[{at}:{size}] = {value}' for value in values)})"
    if rng.random() < 0.1:
        at, bits = rng.randrange(LONGEST - 4), rng.choice((8, 16, 20, 28))
        return f"({' or '.join(_prefix(rng, at, bits) for _ in range(rng.choice((6, 40))))})"
    at, value = rng.randrange(LONGEST - 4), rng.choice(BYTES)
    size, mask = rng.choice((1, 2, 4)), rng.choice(("", " & 1", " & 0xf", " & 0x1fff"))
    return f"ether[{at}:{size}]{mask} {rng.choice(('=', '!=', '>', '<='))} {value}"


def _prefix(rng: random.Random, at: int, bits: int) -> str:
    mask = (1 << 32) - (1 << 32 - bits)
    value = int.from_bytes(bytes(rng.choices(BYTES, k=4)), "big") & mask
    return f"ether[{at}:4] & {mask:#x} = {value:#x}"
