"""One register for one expression."""

from __future__ import annotations

from netbpf.ir.passes.unify import unify
from tests.unit.ir.passes.checks import check


def test_the_same_expression_gets_the_first_name() -> None:
    check(
        unify,
        """
        outputs d
        entry:
          a = load1 9
          b = load1 9
          c = a + 4
          d = b + 4
          if a == d goto yes else yes
        yes:
          match
        """,
        """
        outputs c
        entry:
          a = load1 9
          a = load1 9
          c = a + 4
          c = a + 4
          if a == c goto yes else yes
        yes:
          match
        """,
    )


def test_operands_of_symmetric_operations_have_no_order() -> None:
    check(
        unify,
        """
        outputs c d e f
        entry:
          b = load1 1
          a = load1 2
          c = b + a
          d = a + b
          e = b - a
          f = a - b
          match
        """,
        """
        outputs c c e f
        entry:
          b = load1 1
          a = load1 2
          c = a + b
          c = a + b
          e = b - a
          f = a - b
          match
        """,
    )


def test_a_copy_gives_way_and_a_join_stays() -> None:
    check(
        unify,
        """
        entry:
          a = load1 0
          b = a
          if b in { 1 3 } goto left else right
        left:
          j = b
          goto end
        right:
          j = 14
          goto end
        end:
          k = j
          c = load2 k + 12
          bound k + 14
          if c == b goto yes else yes
        yes:
          match
        """,
        """
        entry:
          a = load1 0
          if a in { 1 3 } goto left else right
        left:
          j = a
          goto end
        right:
          j = 14
          goto end
        end:
          c = load2 j + 12
          bound j + 14
          if c == a goto yes else yes
        yes:
          match
        """,
    )
