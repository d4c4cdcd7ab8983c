"""What makes no difference goes; what only looks like it stays."""

from __future__ import annotations

from netbpf.ir.passes.prune import prune
from tests.unit.ir.passes.checks import check


def test_unused_values_go() -> None:
    check(
        prune,
        """
        outputs out
        entry:
          a = load1 0
          b = a + 1
          c = b * b
          d = meta len
          e = 5
          out = a ^ 7
          match
        """,
        """
        outputs out
        entry:
          a = load1 0
          out = a ^ 7
          match
        """,
    )


def test_an_unused_load_is_a_check() -> None:
    check(prune, "entry:\n a = load4 10\n match", "")


def test_an_unused_load_goes_behind_a_check_that_covers_it() -> None:
    check(
        prune,
        """
        entry:
          l = load1 0
          a = load2 12
          b = load1 13
          c = load1 14
          bound l + 4
          d = load1 l + 3
          e = load1 l + 4
          match
        """,
        """
        entry:
          l = load1 0
          c = load1 14
          e = load1 l + 4
          match
        """,
    )


def test_an_unused_load_goes_where_every_way_makes_its_check_or_ends() -> None:
    check(
        prune,
        """
        entry:
          a = load1 20
          b = load1 0
          if b == 1 goto one else two
        one:
          c = load1 20
          if c == 2 goto yes else no
        two:
          d = load4 18
          if d == 2 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          b = load1 0
          if b == 1 goto one else two
        one:
          c = load1 20
          if c == 2 goto yes else no
        two:
          d = load4 18
          if d == 2 goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_an_unused_load_stays_where_one_way_matches_without_it() -> None:
    check(
        prune,
        """
        entry:
          a = load1 20
          b = load1 0
          if b == 1 goto one else yes
        one:
          c = load1 20
          if c == 2 goto yes else no
        yes:
          match
        no:
          no match
        """,
        "",
    )


def test_two_unused_checks_do_not_vanish_for_each_other() -> None:
    check(
        prune,
        """
        entry:
          a = load1 20
          b = load1 20
          match
        """,
        """
        entry:
          a = load1 20
          match
        """,
    )


def test_a_check_behind_another_base_is_another_check() -> None:
    text = """
        entry:
          x = load1 0
          y = load1 x + 4
          z = load1 9
          if z == 1 goto yes else yes
        yes:
          match
    """
    check(prune, text, "")


def test_a_base_that_may_wrap_proves_nothing() -> None:
    text = """
        entry:
          x = load4 0
          a = load1 x + 8
          b = load1 x + 4
          match
    """
    check(prune, text, "")


def test_a_division_is_a_check_of_its_divisor() -> None:
    check(
        prune,
        """
        entry:
          a = load1 0
          b = load1 1
          odd = b | 1
          c = a / b
          d = a / odd
          e = a % 3
          match
        """,
        """
        entry:
          a = load1 0
          b = load1 1
          c = a / b
          match
        """,
    )


def test_a_block_without_a_way_to_match_only_says_so() -> None:
    check(
        prune,
        """
        entry:
          a = load1 0
          if a == 1 goto yes else lost
        lost:
          b = load1 7
          if b == 2 goto no else never
        never:
          c = load1 99
          no match
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          a = load1 0
          if a == 1 goto yes else lost
        lost:
          no match
        yes:
          match
        """,
    )
