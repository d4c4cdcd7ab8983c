"""Blocks that need not be."""

from __future__ import annotations

from netbpf.ir.passes.straighten import straighten
from tests.unit.ir.passes.checks import check


def test_empty_blocks_and_pointless_tests_go() -> None:
    check(
        straighten,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          goto third
        right:
          if a == 2 goto third else fourth
        third:
          goto fifth
        fourth:
          goto fifth
        fifth:
          b = load1 1
          if b == 1 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          a = load1 0
          b = load1 1
          if b == 1 goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_blocks_that_do_the_same_become_one() -> None:
    check(
        straighten,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load1 1
          if b == 1 goto yes else no @ 1:2
        right:
          b = load1 1
          if b == 1 goto other else no
        yes:
          match
        other:
          match @ 3:4
        no:
          no match
        """,
        """
        entry:
          a = load1 0
          b = load1 1
          if b == 1 goto other else no
        other:
          match
        no:
          no match
        """,
    )


def test_blocks_that_differ_stay_two() -> None:
    text = """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load1 1
          if b == 1 goto yes else no
        right:
          b = load1 1
          if b == 2 goto yes else no
        yes:
          match
        no:
          no match
    """
    check(straighten, text, "")


def test_chains_are_joined_up_to_where_ways_meet() -> None:
    check(
        straighten,
        """
        entry:
          a = load1 0
          goto second
        second:
          b = load1 1
          if b == 1 goto third else fourth
        third:
          c = load1 2
          goto fourth
        fourth:
          d = load1 3
          goto fifth
        fifth:
          e = load1 4
          match
        """,
        """
        entry:
          a = load1 0
          b = load1 1
          if b == 1 goto third else fourth
        third:
          c = load1 2
          goto fourth
        fourth:
          d = load1 3
          e = load1 4
          match
        """,
    )
