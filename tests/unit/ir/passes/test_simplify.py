"""Single tests and instructions in simpler form."""

from __future__ import annotations

import pytest

from netbpf.ir.passes.propagate import propagate
from netbpf.ir.program import Jump
from netbpf.ir.text import parse, show
from netbpf.ir.verify import verify


@pytest.mark.parametrize(
    ("test", "simple"),
    [
        ("t == 0", "a & 0xf ? no : yes"),
        ("t == 4", "t == 4 ? yes : no"),
        ("t == 15", "t == 0xf ? yes : no"),
        ("bit == 0", "a & 8 ? no : yes"),
        ("bit == 8", "a & 8 ? yes : no"),
        ("bit > 0", "a & 8 ? yes : no"),
        ("bit >= 1", "a & 8 ? yes : no"),
        ("t & 9", "a & 9 ? yes : no"),
        ("t & 0x30", "no"),
        ("a & 0xffffffff", "a == 0 ? no : yes"),
        ("plus == 3", "a == 0xffffffff ? yes : no"),
        ("minus == 0xffffffff", "a == 3 ? yes : no"),
        ("xor == 5", "a == 0xfa ? yes : no"),
        ("a == k", "a == 7 ? yes : no"),
        ("k == a", "a == 7 ? yes : no"),
        ("k > a", "a >= 7 ? no : yes"),
        ("k >= a", "a > 7 ? no : yes"),
        ("k & a", "a & 7 ? yes : no"),
        ("diff == 0", "a == b ? yes : no"),
        ("diff == 1", "diff == 1 ? yes : no"),
        ("both == 0", "a & b ? no : yes"),
        ("either == 0", "either == 0 ? yes : no"),
        ("masked == 6", "a == 3 ? yes : no"),
    ],
)
def test_tests(test: str, simple: str) -> None:
    program = parse(f"""
        entry:
          a = load4 0
          b = load4 4
          k = 7
          t = a & 15
          bit = a & 8
          plus = a + 4
          minus = a - 4
          xor = a ^ 0xff
          diff = a - b
          both = a & b
          either = a | b
          twice = xor ^ 0xfa
          masked = twice ^ 0
          if {test} goto yes else no
        yes:
          match
        no:
          no match
    """)
    verify(program)
    improved = propagate(program)
    verify(improved)
    term = improved.blocks[0].term
    shown = show(term).removeprefix("if ").replace(" goto", " ?").replace(" else", " :")
    if isinstance(term, Jump):
        shown = term.target
    assert shown == simple


@pytest.mark.parametrize(
    ("expression", "simple"),
    [
        ("a + 0", "a"),
        ("a - 0", "a"),
        ("a * 1", "a"),
        ("a / 1", "a"),
        ("a % 1", "0"),
        ("a & 0xffffffff", "a"),
        ("a | 0", "a"),
        ("a ^ 0", "a"),
        ("a << 0", "a"),
        ("a >> 32", "0"),
        ("a << 32", "0"),
        ("a * 0", "0"),
        ("a & 0", "0"),
        ("n >> 8", "0"),
        ("n / 0x100", "0"),
        ("k + a", "a + 7"),
        ("k - a", "k - a"),
        ("a - k", "a - 7"),
        ("k << a", "k << a"),
        ("k * k", "0x31"),
        ("k / z", None),
        ("a % z", None),
    ],
)
def test_instructions(expression: str, simple: str | None) -> None:
    program = parse(f"""
        outputs x
        entry:
          a = load4 0
          n = load1 4
          k = 7
          z = 0
          x = {expression}
          match
    """)
    verify(program)
    improved = propagate(program)
    verify(improved)
    (block,) = improved
    if simple is None:
        assert show(block.term) == "no match"
    else:
        assert show(block.insns[-1]) == f"x = {simple}"
