"""Chains of equality tests as sets."""

from __future__ import annotations

from netbpf.ir.passes.gather_tests import gather_tests
from tests.unit.ir.passes.checks import check


def test_tests_of_one_register_become_one() -> None:
    check(
        gather_tests,
        """
        entry:
          src = load4 26
          dst = load4 30
          if src == 7 goto yes else b
        b:
          if dst == 7 goto yes else c
        c:
          if src in { 3 5-6 } goto yes else d
        d:
          if dst == 9 goto yes else e
        e:
          if src == 5 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          src = load4 26
          dst = load4 30
          if src in { 3 5-7 } goto yes else b
        b:
          if dst in { 7 9 } goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_a_repeated_test_is_one_test() -> None:
    check(
        gather_tests,
        """
        entry:
          a = load1 0
          if a == 7 goto yes else b
        b:
          if a == 7 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          a = load1 0
          if a == 7 goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_a_chain_ends_where_something_else_happens() -> None:
    # at a load, at a block that others lead to, at another target, at another test
    text = """
        entry:
          a = load1 0
          if a == 1 goto yes else b
        b:
          b = load1 1
          if a == 2 goto yes else c
        c:
          if a == 3 goto no else d
        d:
          if a > 4 goto f else e
        e:
          if a == 5 goto yes else f
        f:
          if a == 6 goto yes else no
        yes:
          match
        no:
          no match
    """
    check(gather_tests, text, "")
