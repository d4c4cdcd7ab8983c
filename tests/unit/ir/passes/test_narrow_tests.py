"""Tests narrowed to the values that later tests leave."""

from __future__ import annotations

import random

import pytest

from netbpf.ir.passes.narrow_tests import narrow_tests
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


def narrowed(before: str, after: str) -> None:
    """Assert what becomes of the blocks of a program that has `yes` and `no` as well."""
    check(narrow_tests, before + RETURNS, after + RETURNS if after else "")


def of_protocol(first: str, last: str) -> str:
    """Return a program that tests the protocol twice, and a port in between."""
    return f"""
entry:
  proto = load1 23
  {first}
port:
  port = load2 36
  if port == 443 goto last else no
last:
  {last}
"""


@pytest.mark.parametrize(
    ("first", "last", "narrower"),
    [
        # what comes last leaves one, leaves two, leaves several
        (
            "if proto in { 6 17 132 } goto port else no",
            "if proto == 6 goto yes else no",
            "if proto == 6 goto port else no",
        ),
        (
            "if proto in { 6 17 132 } goto port else no",
            "if proto == 6 goto no else yes",
            "if proto in { 17 132 } goto port else no",
        ),
        (
            "if proto in { 6 17 132 } goto port else no",
            "if proto in { 6 17 33 } goto yes else no",
            "if proto in { 6 17 } goto port else no",
        ),
        # instead of who may not pass, it asks who may
        (
            "if proto == 17 goto no else port",
            "if proto == 6 goto yes else no",
            "if proto == 6 goto port else no",
        ),
        (
            "if proto == 17 goto no else port",
            "if proto in { 6 17 } goto yes else no",
            "if proto == 6 goto port else no",
        ),
        # … but not if that takes longer, or is no set at all
        ("if proto == 17 goto no else port", "if proto in { 6 132 } goto yes else no", ""),
        ("if proto == 17 goto no else port", "if proto == 6 goto no else yes", ""),
        # what matches the other way keeps its test
        (
            "if proto in { 6 17 132 } goto port else yes",
            "if proto == 6 goto yes else no",
            "",
        ),
        # more than a few values
        (
            "if proto in { 0-9 } goto port else no",
            "if proto == 6 goto yes else no",
            "",
        ),
    ],
)
def test_what_a_later_test_leaves(first: str, last: str, narrower: str) -> None:
    narrowed(of_protocol(first, last), of_protocol(narrower, last) if narrower else "")


def test_a_test_that_leaves_nothing_is_none() -> None:
    narrowed(
        """
entry:
  proto = load1 23
  if proto == 6 goto port else other
other:
  if proto == 17 goto port else no
port:
  port = load2 36
  if port == 443 goto last else no
last:
  if proto == 17 goto yes else no
""",
        """
entry:
  proto = load1 23
  goto other
other:
  if proto == 17 goto port else no
port:
  port = load2 36
  if port == 443 goto last else no
last:
  if proto == 17 goto yes else no
""",
    )


def test_what_every_way_to_a_match_needs() -> None:
    # 6 on one way, 17 on the other; 132 on none
    narrowed(
        """
entry:
  proto = load1 23
  if proto in { 6 17 132 } goto port else no
port:
  port = load2 36
  if port == 443 goto tcp else udp
tcp:
  if proto == 6 goto yes else no
udp:
  if proto == 17 goto yes else no
""",
        """
entry:
  proto = load1 23
  if proto in { 6 17 } goto port else no
port:
  port = load2 36
  if port == 443 goto tcp else udp
tcp:
  if proto == 6 goto yes else no
udp:
  if proto == 17 goto yes else no
""",
    )


def test_what_a_way_to_a_match_does_not_need() -> None:
    narrowed(
        """
entry:
  proto = load1 23
  if proto in { 6 17 132 } goto port else no
port:
  port = load2 36
  if port == 443 goto tcp else yes
tcp:
  if proto == 6 goto yes else no
""",
        "",
    )


def test_random_programs_keep_their_verdicts() -> None:
    changed = matches = 0
    for seed in range(scaled(150)):
        rng = random.Random(seed)
        program = random_tests(rng)
        was_changed, matched = keeps_verdicts(narrow_tests, program, rng)
        changed += was_changed
        matches += matched
    assert changed > 50
    assert matches > 100


def random_tests(rng: random.Random) -> Program:
    """Return a program of tests of two bytes, each of which goes on somewhere further down."""
    length = rng.randint(2, 9)
    lines = ["entry:", "  r0 = load1 0", "  r1 = load1 1", "  goto b0"]
    for index in range(length):
        onward = [f"b{later}" for later in range(index + 2, length)]
        # The next block is where one way goes, so all are reached.
        ways = [f"b{index + 1}" if index + 1 < length else "yes", rng.choice(("no", "no", *onward))]
        rng.shuffle(ways)
        values = sorted(rng.sample((0, 1, 2, 4, 6), rng.randint(1, 3)))
        test = f"== {values[0]}" if len(values) == 1 else f"in {{ {' '.join(map(str, values))} }}"
        lines += [f"b{index}:", f"  if r{rng.randrange(2)} {test} goto {ways[0]} else {ways[1]}"]
    return parse("\n".join(lines) + RETURNS)
