"""Guess what a misspelt word was meant to be.

Depends on nothing. Called for error messages only.
"""

from __future__ import annotations

from collections.abc import Iterable


def guess(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most likely meant by `word`; None if none is close.

    Close is one slip in three letters: a letter added, left out or changed, or two neighbours
    swapped. Of equals the first wins.
    """
    lowered = word.lower()
    if not 1 < len(word) <= 32:
        return None
    best, most = None, max(1, len(word) // 3)
    for candidate in candidates:
        if candidate == lowered:
            return candidate
        if abs(len(candidate) - len(word)) <= most and len(candidate) > 1:
            slips = _distance(lowered, candidate)
            if slips < min(most + 1, len(candidate)) and not (best and slips == most):
                best, most = candidate, slips
    return best


def _distance(a: str, b: str) -> int:
    """Return the number of slips between two words (optimal string alignment)."""
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            slips = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                slips = min(slips, before[j - 2] + 1)
            current.append(slips)
        before, previous = previous, current
    return previous[-1]


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return the guess as a hint, or ''."""
    found = guess(word, candidates)
    return f"did you mean '{found}'?" if found else ""
