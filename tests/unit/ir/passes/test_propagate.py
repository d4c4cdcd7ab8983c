"""What is known at a place is used there."""

from __future__ import annotations

import pytest

from netbpf.ir.passes.propagate import propagate
from netbpf.ir.program import Jump
from netbpf.ir.text import parse
from netbpf.ir.verify import verify
from tests.unit.ir.passes.checks import check


def test_what_is_assigned_on_every_way_is_not_assigned_again() -> None:
    check(
        propagate,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load1 1
          goto end
        right:
          b = load1 1
          c = load1 2
          goto end
        end:
          a = load1 0
          b = load1 1
          c = load1 2
          d = load1 3
          match
        """,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load1 1
          goto end
        right:
          b = load1 1
          c = load1 2
          goto end
        end:
          c = load1 2
          d = load1 3
          match
        """,
    )


def test_a_bound_that_is_proved_goes() -> None:
    check(
        propagate,
        """
        entry:
          a = load1 0
          bound 4
          b = load4 20
          bound 24
          bound 25
          x = load1 a + 6
          bound a + 7
          match
        """,
        """
        entry:
          a = load1 0
          bound 4
          b = load4 20
          bound 25
          x = load1 a + 6
          match
        """,
    )


def test_joining_ways_prove_what_the_nearer_does() -> None:
    check(
        propagate,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load4 20
          goto end
        right:
          c = load4 16
          goto end
        end:
          bound 20
          bound 21
          match
        """,
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load4 20
          goto end
        right:
          c = load4 16
          goto end
        end:
          bound 21
          match
        """,
    )


def test_constants_are_computed() -> None:
    check(
        propagate,
        """
        outputs d w e h
        entry:
          a = 14
          b = a + 2
          c = a * b
          d = c ^ 0xff
          w = load2 a + 0xfffffffe
          x = load1 b + 4
          e = x + 0
          f = x & 0
          g = x >> 8
          h = f | g
          bound a + 20
          match
        """,
        """
        outputs d w e h
        entry:
          a = 14
          b = 0x10
          c = 0xe0
          d = 0x1f
          w = load2 12
          x = load1 20
          e = x
          f = 0
          g = 0
          h = 0
          bound 34
          match
        """,
    )


def test_a_division_by_zero_is_no_match() -> None:
    check(
        propagate,
        """
        entry:
          a = load1 0
          z = 0
          b = a / z
          match
        """,
        """
        entry:
          a = load1 0
          z = 0
          no match
        """,
    )


def test_an_edge_goes_past_tests_whose_outcome_it_implies() -> None:
    # (ip and tcp) or (ip and udp), as every alternative asks for itself
    check(
        propagate,
        """
        entry:
          type = load2 12
          if type == 0x800 goto ip else next
        ip:
          proto = load1 23
          if proto == 6 goto yes else next
        next:
          type = load2 12
          if type == 0x800 goto ip2 else no
        ip2:
          proto = load1 23
          if proto == 0x11 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          type = load2 12
          if type == 0x800 goto ip else no
        ip:
          proto = load1 23
          if proto == 6 goto yes else ip2
        ip2:
          if proto == 0x11 goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


def test_an_edge_stops_at_a_block_that_has_something_to_do() -> None:
    check(
        propagate,
        """
        entry:
          a = load1 0
          if a == 1 goto middle else no
        middle:
          b = load1 1
          if a == 1 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          a = load1 0
          if a == 1 goto middle else no
        middle:
          b = load1 1
          goto yes
        yes:
          match
        no:
          no match
        """,
    )


def test_an_outcome_that_joining_ways_agree_on() -> None:
    # Behind `tcp or udp or sctp`, nothing but these can be there.
    check(
        propagate,
        """
        entry:
          proto = load1 23
          if proto == 6 goto ports else b
        b:
          if proto == 0x11 goto ports else c
        c:
          if proto == 0x84 goto ports else no
        ports:
          port = load2 34
          if proto == 0x84 goto sctp else other
        other:
          if proto == 6 goto no else udp
        udp:
          x = load1 40
          if proto == 0x11 goto yes else no
        sctp:
          y = load1 41
          if proto in { 6 0x11 } goto no else yes
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          proto = load1 23
          if proto == 6 goto ports else b
        b:
          if proto == 0x11 goto ports else c
        c:
          if proto == 0x84 goto ports else no
        ports:
          port = load2 34
          if proto == 0x84 goto sctp else other
        other:
          if proto == 6 goto no else udp
        udp:
          x = load1 40
          goto yes
        sctp:
          y = load1 41
          goto yes
        yes:
          match
        no:
          no match
        """,
    )


def decided(known: str, ways: str, test: str) -> str:
    """Return how `test` comes out where `known` went `ways`: 'yes', 'no', or 'open'."""
    program = parse(f"""
        entry:
          a = load4 0
          b = load4 4
          n = load1 8
          m = load1 9
          if {known} {ways}
        out:
          no match
        first:
          x = load1 20
          if {test} goto yes else no
        yes:
          match
        no:
          y = load1 30
          no match
    """)
    verify(program)
    improved = propagate(program)
    verify(improved)
    (first,) = (block for block in improved if block.label == "first")
    return str(first.term.target) if isinstance(first.term, Jump) else "open"


@pytest.mark.parametrize(
    ("known", "test", "outcome"),
    [
        ("a == 5", "a == 5", "yes"),
        ("a == 5", "a == 6", "no"),
        ("a == 5", "a > 4", "yes"),
        ("a == 5", "a >= 6", "no"),
        ("a == 5", "a & 4", "yes"),
        ("a == 5", "a & 2", "no"),
        ("a == 5", "a in { 1 5-7 }", "yes"),
        ("a == 5", "a in { 1 6-7 }", "no"),
        ("a == 5", "b == 5", "open"),
        ("a > 5", "a > 5", "yes"),
        ("a > 5", "a >= 6", "yes"),
        ("a > 5", "a > 6", "open"),
        ("a > 5", "a == 5", "no"),
        ("a > 5", "a == 6", "open"),
        ("a >= 5", "a > 4", "yes"),
        ("a >= 5", "a == 4", "no"),
        ("a >= 0xf0000000", "a in { 0-0xefffffff }", "no"),
        ("a >= 0xf0000000", "a in { 0xe0000000-0xffffffff }", "yes"),
        ("a >= 0xf0000000", "a in { 0xf0000000-0xfffffffe }", "open"),
        ("a & 6", "a & 6", "yes"),
        ("a & 6", "a & 2", "open"),
        ("a & 6", "a == 0", "no"),
        ("a & 6", "a > 1", "yes"),
        ("a in { 3 9 }", "a == 4", "no"),
        ("a in { 3 9 }", "a == 9", "open"),
        ("a in { 3 9 }", "a & 1", "yes"),
        ("a in { 3 9 }", "a > 2", "yes"),
        ("a in { 3 9 }", "a in { 3-9 }", "yes"),
        ("a in { 3 9 }", "a in { 4-8 }", "no"),
        ("a in { 3 9 }", "a in { 4-9 }", "open"),
        ("a in { 3-5 }", "a == 6", "no"),
        ("a in { 3-5 }", "a == 4", "open"),
        ("a b n m in { 1 }", "a b n m in { 1 }", "open"),  # another set, as far as is known
        ("a == b", "b == a", "yes"),
        ("a == n", "a > 0xff", "no"),
        ("a > b", "a > b", "yes"),
        ("a > b", "b > a", "open"),
        ("n == 7", "n == 7", "yes"),
        ("b == 5", "n > 0xff", "no"),
        ("b == 5", "n == 0x100", "no"),
        ("b == 5", "n & 0xff00", "no"),
        ("b == 5", "n >= 0", "yes"),
    ],
)
def test_what_a_test_tells_of_another(known: str, test: str, outcome: str) -> None:
    assert decided(known, "goto first else out", test) == outcome


@pytest.mark.parametrize(
    ("known", "test", "outcome"),
    [
        ("a == 5", "a == 5", "no"),
        ("a == 5", "a == 6", "open"),
        ("a == 0", "a >= 1", "yes"),
        ("a > 5", "a == 6", "no"),
        ("a > 5", "a >= 5", "open"),
        ("a >= 5", "a >= 5", "no"),
        ("a >= 5", "a > 4", "no"),
        ("a & 6", "a & 4", "no"),
        ("a & 6", "a & 5", "open"),
        ("a & 6", "a == 4", "no"),
        ("a & 0xffffff00", "a > 0xff", "no"),
        ("a == b", "a == b", "no"),
        ("a == b", "a > b", "open"),
        ("a in { 3 9 }", "a == 3", "open"),
    ],
)
def test_what_a_failed_test_tells_of_another(known: str, test: str, outcome: str) -> None:
    assert decided(known, "goto out else first", test) == outcome
