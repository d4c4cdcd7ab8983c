"""What a classic machine lacks: shifts by 32 and more, addresses of 2 GiB and more."""

from __future__ import annotations

from netbpf.ir.passes.guard_addresses import guard_addresses
from netbpf.ir.passes.guard_shifts import guard_shifts
from tests.unit.ir.passes.checks import check


def test_a_shift_by_a_register_that_may_be_large() -> None:
    check(
        guard_shifts,
        """
        outputs x y z v
        entry:
          a = load1 0
          n = a & 31
          m = a & 32
          x = a << n
          y = a >> a
          z = a << 40
          v = a << m
          match
        """,
        """
        outputs x y z v
        entry:
          a = load1 0
          n = a & 31
          m = a & 32
          x = a << n
          if a >= 0x20 goto entry.0 else entry.1
        entry.0:
          y = 0
          goto entry.2
        entry.1:
          y = a >> a
          goto entry.2
        entry.2:
          z = a << 40
          if m >= 0x20 goto entry.3 else entry.4
        entry.3:
          v = 0
          goto entry.5
        entry.4:
          v = a << m
          goto entry.5
        entry.5:
          match
        """,
    )


def test_addresses_that_may_be_negative() -> None:
    check(
        guard_addresses,
        """
        entry:
          a = load1 0
          b = load4 4
          c = load2 a + 0xfffffffe
          d = load1 a + 16
          e = load1 b + 0
          f = load1 b + 8
          g = load1 b + 8
          bound a + 2000
          bound b + 12
          match
        """,
        """
        entry:
          a = load1 0
          b = load4 4
          (a+4294967294) = a + 0xfffffffe
          if (a+4294967294) > 0x7fffffff goto beyond.0 else entry.0
        entry.0:
          c = load2 (a+4294967294) + 0
          d = load1 a + 16
          if b > 0x7fffffff goto beyond.0 else entry.1
        entry.1:
          e = load1 b + 0
          (b+8) = b + 8
          if (b+8) > 0x7fffffff goto beyond.0 else entry.2
        entry.2:
          f = load1 (b+8) + 0
          (b+8) = b + 8
          if (b+8) > 0x7fffffff goto beyond.0 else entry.3
        entry.3:
          g = load1 (b+8) + 0
          bound a + 2000
          if b > 0x7ffffff4 goto beyond.0 else entry.4
        entry.4:
          bound b + 12
          match
        beyond.0:
          no match
        """,
    )


def test_a_fixed_address_out_of_reach_ends_the_program() -> None:
    check(
        guard_addresses,
        """
        entry:
          a = load1 2147483647
          b = load2 2147483647
          c = load1 0
          match
        """,
        """
        entry:
          a = load1 2147483647
          no match
        """,
    )
