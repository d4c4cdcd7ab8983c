"""Chains of equality tests as sets, past what is computed between them."""

from __future__ import annotations

import random

import pytest

from netbpf.ir.passes.regroup_tests import regroup_tests
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


def regrouped(before: str, after: str) -> None:
    """Assert what becomes of the blocks of a program that has `yes` and `no` as well."""
    check(regroup_tests, before + RETURNS, after + RETURNS if after else "")


def test_loads_behind_a_bound_are_no_hindrance() -> None:
    # … and each goes to the first test that wants it
    regrouped(
        """
entry:
  bound 58
  src = load2 54
  if src == 53 goto no else b
b:
  dst = load2 56
  if dst == 53 goto no else c
c:
  if src in { 67 123 } goto no else d
d:
  if dst == 67 goto no else yes
""",
        """
entry:
  bound 58
  src = load2 54
  if src in { 53 67 123 } goto no else b
b:
  dst = load2 56
  if dst in { 53 67 } goto no else yes
""",
    )


def test_what_may_end_the_program_splits_the_chain() -> None:
    # What it loads is asked for first; what was ruled out before it, not again.
    regrouped(
        """
entry:
  src = load2 54
  if src == 80 goto yes else b
b:
  dst = load2 56
  if src in { 80 443 8080 } goto yes else c
c:
  if dst in { 80 443 8080 } goto yes else no
""",
        """
entry:
  src = load2 54
  if src == 80 goto yes else b
b:
  dst = load2 56
  if dst in { 80 443 8080 } goto yes else c
c:
  if src in { 443 8080 } goto yes else no
""",
    )


def test_a_test_of_what_was_ruled_out_goes() -> None:
    regrouped(
        """
entry:
  src = load2 54
  if src in { 80-90 } goto yes else b
b:
  dst = load2 56
  if src == 85 goto yes else no
""",
        """
entry:
  src = load2 54
  if src in { 80-90 } goto yes else b
b:
  dst = load2 56
  goto no
""",
    )


@pytest.mark.parametrize(
    ("head", "between"),
    [
        ("", "b = load1 1"),  # nothing proves that it is there
        ("b = load1 1", "c = load1 b + 0xffffffff"),  # this wraps, so nothing can
        ("b = load1 1", "c = a / b"),
        ("", "bound 2"),
    ],
)
def test_what_splits_a_chain(head: str, between: str) -> None:
    regrouped(
        f"""
entry:
  a = load1 0
  {head}
  if a == 1 goto yes else b
b:
  {between}
  if a == 2 goto yes else no
""",
        "",
    )


def test_what_follows_a_chain_finds_what_the_chain_computed() -> None:
    regrouped(
        """
entry:
  bound 4
  a = load1 0
  if a == 1 goto no else b
b:
  b = load1 1
  c = b + 1
  if a == 2 goto no else c
c:
  if c == b goto yes else no
""",
        """
entry:
  bound 4
  a = load1 0
  b = load1 1
  c = b + 1
  if a in { 1-2 } goto no else c
c:
  if c == b goto yes else no
""",
    )


def test_what_was_loaded_last_is_asked_for_first() -> None:
    regrouped(
        """
entry:
  a = load1 0
  b = load1 1
  if a == 1 goto yes else b
b:
  c = a + b
  if b == 1 goto yes else c
c:
  if a == 2 goto yes else no
""",
        """
entry:
  a = load1 0
  b = load1 1
  if b == 1 goto yes else b
b:
  c = a + b
  if a in { 1-2 } goto yes else no
""",
    )


def test_operands_go_where_they_are_wanted() -> None:
    regrouped(
        """
entry:
  bound 2
  a = load1 0
  if a == 1 goto yes else b
b:
  b = load1 1
  c = b + 1
  if c == 1 goto yes else c
c:
  if a == 2 goto yes else d
d:
  d = b + 3
  if d == 5 goto yes else no
""",
        """
entry:
  bound 2
  a = load1 0
  if a in { 1-2 } goto yes else b
b:
  b = load1 1
  c = b + 1
  if c == 1 goto yes else c
c:
  d = b + 3
  if d == 5 goto yes else no
""",
    )


def test_a_join_is_assigned_where_it_was() -> None:
    regrouped(
        """
entry:
  a = load1 0
  join = 1
  if a == 1 goto no else b
b:
  join = 2
  if a == 2 goto no else yes
""",
        "",
    )


@pytest.mark.parametrize("target", ["yes", "no"])
def test_random_chains_keep_their_verdicts(target: str) -> None:
    changed = matches = 0
    for seed in range(scaled(150)):
        rng = random.Random(seed)
        program = random_chain(rng, target)
        was_changed, matched = keeps_verdicts(regroup_tests, program, rng)
        changed += was_changed
        matches += matched
    assert changed > 50
    assert matches > 100


def random_chain(rng: random.Random, target: str) -> Program:
    """Return a chain over five bytes; which are loaded when, and checked when, varies."""
    end = "no" if target == "yes" else "yes"
    lines = []
    loaded = 0
    length = rng.randint(2, 9)
    for index in range(length):
        lines.append(f"b{index}:")
        if rng.random() < 0.3:
            lines.append(f"  bound {rng.randint(1, 5)}")
        while loaded == 0 or (loaded < 5 and rng.random() < 0.4):
            lines.append(f"  r{loaded} = load1 {loaded}")
            loaded += 1
        values = rng.sample((0, 1, 2, 4, 6), rng.randint(1, 3))
        members = " ".join(map(str, sorted(values)))
        test = f"== {values[0]}" if len(values) == 1 else f"in {{ {members} }}"
        onward = f"b{index + 1}" if index + 1 < length else end
        lines.append(f"  if r{rng.randrange(loaded)} {test} goto {target} else {onward}")
    return parse("\n".join(lines) + RETURNS)
