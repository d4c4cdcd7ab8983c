"""Programs as text: every form, both ways."""

from __future__ import annotations

import pytest

from netbpf.errors import IrError, Span
from netbpf.ir.program import Block, Const, Label, Load, Program, Reg, Return, Verdict
from netbpf.ir.text import dump, parse

EVERY_FORM = """\
text "a \\"quoted\\" filter\\n"
outputs x [l3+9:1]
entry:
  x = 0
  k50 = 0x50
  l3 = x
  [12:2] = load2 12
  [l3+9:1] = load1 l3 + 9
  word = load4 l3 + 4294967292
  tag = meta vlan.tci
  ([12:2]&15) = [12:2] & 0xf
  sum = x + tag
  bound 14
  bound l3 + 20
  if sum == 0x800 goto one else two
one:
  if sum >= tag goto two else four
two:
  if x in { 1 3-0x10 } goto three else four
three:
  if x l3 tag sum in { 0x20010db8000000000000000000000000-0x20010db8ffffffffffffffffffffffff } \
goto four else five
four:
  goto five
five:
  if x & 1 goto six else seven
six:
  match
seven:
  no match
"""


def test_dump_writes_what_parse_reads() -> None:
    assert dump(parse(EVERY_FORM)) == EVERY_FORM


def test_spans_are_kept_when_asked_for() -> None:
    insns = (Const(Reg("x"), 1, Span(0, 2)), Load(Reg("y"), None, 12, 2))
    program = Program((Block(Label("b"), insns, Return(Verdict.NO_MATCH, Span(3, 4))),), "abcd")
    text = dump(program, spans=True)
    assert text.splitlines()[1:] == [
        "b:",
        "  x = 1 @ 0:2",
        "  y = load2 12",
        "  no match @ 3:4",
    ]
    assert parse(text) == program
    assert parse(dump(program)) != program


def test_comments_and_empty_lines_are_skipped() -> None:
    assert dump(parse("# a\n\nb:\n  # c\n  match\n")) == "b:\n  match\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b:\n  x = load3 1", "line 2: cannot read 'x = load3 1'"),
        ("b:\n  x = load2 l3 - 1", "line 2: cannot read 'x = load2 l3 - 1'"),
        ("b:\n  x = y ** 2", "cannot read 'x = y ** 2'"),
        ("b:\n  if x == 1 goto a", "cannot read 'if x == 1 goto a'"),
        ("b:\n  if x == 1 then a else b", "cannot read"),
        ("b:\n  if x in 1 goto a else b", "cannot read"),
        ("b:\n  goto a b", "cannot read"),
        ("b:\n  perhaps", "cannot read 'perhaps'"),
        ("  match", "line 1: 'match' is outside a block"),
        ("b:\n  match\n  x = 1", "line 3: 'x = 1' is outside a block"),
        ("b:\n  x = 1", "b: the block has no end"),
    ],
)
def test_errors_name_the_line(text: str, message: str) -> None:
    with pytest.raises(IrError) as caught:
        parse(text)
    assert message in str(caught.value)
