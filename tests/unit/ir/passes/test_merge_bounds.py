"""One check for several loads."""

from __future__ import annotations

from netbpf.ir.passes.merge_bounds import merge_bounds
from tests.unit.ir.passes.checks import check


def test_a_bound_covers_the_loads_that_all_ways_make() -> None:
    check(
        merge_bounds,
        """
        entry:
          type = load2 12
          if type == 0x800 goto ip else no
        ip:
          proto = load1 23
          frag = load2 20
          if frag & 0x1fff goto no else first
        first:
          b = load1 14
          l = b & 15
          src = load2 l + 14
          dst = load2 l + 16
          if src == dst goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          bound 24
          type = load2 12
          if type == 0x800 goto ip else no
        ip:
          proto = load1 23
          frag = load2 20
          if frag & 0x1fff goto no else first
        first:
          b = load1 14
          l = b & 15
          bound l + 18
          src = load2 l + 14
          dst = load2 l + 16
          if src == dst goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_a_bound_goes_no_further_than_the_shortest_way_to_a_match() -> None:
    check(
        merge_bounds,
        """
        entry:
          a = load1 0
          if a == 1 goto near else far
        near:
          b = load1 4
          if b == 1 goto yes else next
        next:
          c = load1 9
          if c == 1 goto yes else no
        far:
          d = load1 20
          if d == 1 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          bound 5
          a = load1 0
          if a == 1 goto near else far
        near:
          b = load1 4
          if b == 1 goto yes else next
        next:
          c = load1 9
          if c == 1 goto yes else no
        far:
          d = load1 20
          if d == 1 goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_bounds_that_others_cover_go() -> None:
    check(
        merge_bounds,
        """
        entry:
          bound 4
          a = load1 3
          bound 2
          bound 8
          b = load1 7
          match
        """,
        """
        entry:
          bound 8
          a = load1 3
          b = load1 7
          match
        """,
    )


def test_a_base_that_may_wrap_gets_no_bound() -> None:
    text = """
        entry:
          l = load4 0
          a = load1 l + 4
          b = load1 l + 8
          match
    """
    check(merge_bounds, text, "")
