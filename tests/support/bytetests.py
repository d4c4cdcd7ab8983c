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
    at, value = rng.randrange(LONGEST - 4), rng.choice(BYTES)
    size, mask = rng.choice((1, 2, 4)), rng.choice(("", " & 1", " & 0xf", " & 0x1fff"))
    return f"ether[{at}:{size}]{mask} {rng.choice(('=', '!=', '>', '<='))} {value}"
