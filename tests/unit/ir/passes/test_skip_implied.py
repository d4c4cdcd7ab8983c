"""Tests that the next test decides as well."""

from __future__ import annotations

import pytest

from netbpf.ir.passes.skip_implied import skip_implied
from tests.unit.ir.passes.checks import check

END = """
        yes:
          match
        no:
          no match
"""


def test_an_element_of_a_set_that_is_asked_for_behind_a_load() -> None:
    check(
        skip_implied,
        """
        entry:
          bound 34
          src = load4 26
          if src == 7 goto yes else b
        b:
          dst = load4 30
          if src in { 5-7 } goto yes else no
        """
        + END,
        """
        entry:
          bound 34
          src = load4 26
          goto b
        b:
          dst = load4 30
          if src in { 5-7 } goto yes else no
        """
        + END,
    )


def test_the_first_words_of_an_address() -> None:
    check(
        skip_implied,
        """
        entry:
          bound 12
          a = load4 0
          if a in { 1-3 9 } goto two else no
        two:
          b = load4 4
          if a b in { 0x100000000-0x200000007 0x900000000 } goto three else no
        three:
          c = load4 8
          if a b c in { 0x10000000000000001 } goto yes else no
        """
        + END,
        """
        entry:
          bound 12
          a = load4 0
          goto two
        two:
          b = load4 4
          goto three
        three:
          c = load4 8
          if a b c in { 0x10000000000000001 } goto yes else no
        """
        + END,
    )


@pytest.mark.parametrize(
    ("bound", "first", "then", "second"),
    [
        (30, "src == 7", "yes else b", "src in { 5-7 } goto yes else no"),  # the load can fail
        (34, "src == 8", "yes else b", "src in { 5-7 } goto yes else no"),  # not in the set
        (34, "src == 7", "yes else b", "dst in { 5-7 } goto yes else no"),  # of another register
        (34, "src == 7", "yes else b", "src in { 5-7 } goto no else yes"),  # to elsewhere
        (34, "src == 7", "b else no", "src in { 5-7 } goto yes else no"),  # does not imply it
        (34, "src in { 4 6-7 }", "b else no", "src dst in { 0x500000000 } goto yes else no"),
    ],
)
def test_what_has_to_stay(bound: int, first: str, then: str, second: str) -> None:
    text = f"""
        entry:
          bound {bound}
          src = load4 26
          if {first} goto {then}
        b:
          dst = load4 30
          if {second}
        {END}"""
    check(skip_implied, text, text)
