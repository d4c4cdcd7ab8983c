"""Tests that must all hold: first the one whose register was tested last."""

from __future__ import annotations

import random

import pytest

from netbpf.ir.passes.order_tests import order_tests
from netbpf.ir.program import Program
from netbpf.ir.text import parse
from tests.support.tools import scaled
from tests.unit.ir.passes.checks import check, keeps_verdicts

RETURNS = """
yes:
  match
no:
  no match
"""


def ordered(before: str, after: str) -> None:
    """Assert what becomes of the blocks of a program that has `yes` and `no` as well."""
    check(order_tests, before + RETURNS, after + RETURNS if after else "")


def test_what_was_tested_last_is_tested_first() -> None:
    ordered(
        """
entry:
  src = load4 26
  dst = load4 30
  if src == 1 goto yes else dst
dst:
  low = dst & 0xff
  if low == 1 goto no else more
more:
  high = dst & 0xffffff00
  if high == 0x100 goto src else no
src:
  ttl = load1 22
  if src in { 2 4 } goto last else no
last:
  if ttl >= 80 goto yes else no
""",
        """
entry:
  src = load4 26
  dst = load4 30
  if src == 1 goto yes else dst
dst:
  if src in { 2 4 } goto more else no
more:
  low = dst & 0xff
  if low == 1 goto no else src
src:
  high = dst & 0xffffff00
  ttl = load1 22
  if high == 0x100 goto last else no
last:
  if ttl >= 80 goto yes else no
""",
    )


@pytest.mark.parametrize(
    ("entry", "dst"),
    [
        ("if src == 1 goto yes else dst", "if dst == 1 goto src else yes"),  # a way to a match
        ("if src == 1 goto src else dst", "if dst == 1 goto src else no"),  # two ways to the last
        ("if src == other goto yes else dst", "if dst == 1 goto src else no"),  # either is in X
    ],
)
def test_what_leaves_the_order_alone(entry: str, dst: str) -> None:
    ordered(
        f"""
entry:
  other = load4 22
  src = load4 26
  {entry}
dst:
  dst = load4 30
  {dst}
src:
  if src == 2 goto yes else no
""",
        "",
    )


def test_not_where_something_else_was_tested_on_another_way() -> None:
    ordered(
        """
entry:
  src = load4 26
  other = load4 0
  if src == 1 goto yes else other
other:
  if other == 5 goto dst else third
third:
  if src == 3 goto dst else yes
dst:
  dst = load4 30
  if dst == 1 goto src else no
src:
  if src == 2 goto yes else no
""",
        "",
    )


def test_random_rows_keep_their_verdicts() -> None:
    changed = matches = 0
    for seed in range(scaled(200)):
        rng = random.Random(seed)
        program = random_row(rng)
        was_changed, matched = keeps_verdicts(order_tests, program, rng)
        changed += was_changed
        matches += matched
    assert changed > 30
    assert matches > 100


def random_row(rng: random.Random) -> Program:
    """Return a program of tests of a few bytes, most of which lead on or to "no match"."""
    lines = []
    loaded = 0
    length = rng.randint(3, 8)
    for index in range(length):
        lines.append(f"b{index}:")
        while loaded == 0 or (loaded < 5 and rng.random() < 0.4):
            lines.append(f"  r{loaded} = load1 {loaded}")
            loaded += 1
        onward = f"b{index + 1}" if index + 1 < length else "yes"
        ways = [onward, rng.choice(("no", "no", "no", "yes" if onward != "yes" else "no"))]
        rng.shuffle(ways)
        value = rng.choice((0, 1, 2, 4, 6))
        lines.append(f"  if r{rng.randrange(loaded)} >= {value} goto {ways[0]} else {ways[1]}")
    return parse("\n".join(lines) + RETURNS)
