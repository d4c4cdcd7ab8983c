"""Every rule of the IR has a program that breaks it."""

from __future__ import annotations

import pytest

from netbpf.errors import IrError
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Const,
    Insn,
    Label,
    Load,
    Member,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
)
from netbpf.ir.text import parse
from netbpf.ir.verify import verify

JOIN = """
entry:
  a = load1 0
  if a == 1 goto left else right
left:
  b = 1
  goto end
right:
  {right}
  goto end
end:
  c = b + a
  match
"""


def test_a_join_assigned_on_every_path_is_right() -> None:
    verify(parse(JOIN.format(right="b = 2")))


def test_a_read_must_be_assigned_on_every_path() -> None:
    with pytest.raises(IrError) as caught:
        verify(parse(JOIN.format(right="d = 2")))
    assert str(caught.value) == "end: c = b + a: b is not assigned on every path to here"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b:\n goto b", "b: goto b: goes back to b"),
        ("b:\n goto c\nb:\n match", "b: two blocks of this name"),
        ("b:\n goto c", "b: goto c: there is no block c"),
        ("b:\n match\nc:\n match", "c: cannot be reached"),
        ("b:\n if a == 1 goto c else c\nc:\n match", "a is not assigned on every path"),
        ("b:\n a = 1\n if a == b goto c else c\nc:\n match", "b is not assigned on every path"),
        ("b:\n x = load1 l3 + 1\n match", "x = load1 l3 + 1: l3 is not assigned"),
        ("b:\n bound l3 + 1\n match", "bound l3 + 1: l3 is not assigned"),
        ("b:\n if x in { 1 } goto c else c\nc:\n match", "x is not assigned"),
        ("b:\n a = a + 1\n match", "a is not assigned"),
        ("outputs a\nb:\n match", "b: match: a is not assigned"),
    ],
)
def test_flow_errors(text: str, message: str) -> None:
    with pytest.raises(IrError) as caught:
        verify(parse(text))
    assert message in str(caught.value)


def test_outputs_matter_only_at_a_match() -> None:
    verify(
        parse(
            "outputs a\nb:\n x = load1 0\n if x == 1 goto c else d\n"
            "c:\n a = 1\n match\nd:\n no match"
        )
    )


A = Reg("a")


@pytest.mark.parametrize(
    ("insn", "message"),
    [
        (Const(A, -1), "-1 does not fit 32 bits"),
        (Const(A, 1 << 32), "4294967296 does not fit 32 bits"),
        (Load(A, None, -4, 4), "-4 does not fit 32 bits"),
        (Load(A, None, 0, 3), "loads 3 bytes"),
        (Bound(None, 0), "0 is not a length"),
        (Bound(None, 1 << 32), "4294967296 is not a length"),
        (Alu(A, AluOp.ADD, Reg("one"), 1 << 32), "does not fit 32 bits"),
        (Alu(A, AluOp.DIV, Reg("one"), 0), "a = one / 0: divides by zero"),
        (Alu(A, AluOp.MOD, Reg("one"), 0), "divides by zero"),
        (Const(Reg("a b"), 1), "'a b' is not a name for a register"),
        (Const(Reg(""), 1), "'' is not a name"),
        (Const(Reg("1a"), 1), "'1a' is not a name"),
    ],
)
def test_instruction_errors(insn: Insn, message: str) -> None:
    block = Block(Label("b"), (Const(Reg("one"), 1), insn), Return(Verdict.MATCH))
    with pytest.raises(IrError) as caught:
        verify(Program((block,)))
    assert str(caught.value).startswith("b: ")
    assert message in str(caught.value)


END = Label("end")


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (Branch(Cmp.EQ, A, 1 << 32, END, END), "does not fit 32 bits"),
        (Member((A,) * 5, ((1, 1),), END, END), "5 registers instead of 1 to 4"),
        (Member((A,), ((2, 1),), END, END), "0x2-0x1 is not a range"),
        (Member((A,), ((1, 1 << 32),), END, END), "is not a range of 0x100000000 values"),
        (Member((A,), ((-1, 1),), END, END), "is not a range"),
        (Member((A,), ((1, 5), (5, 6)), END, END), "0x5 does not come after 0x5"),
        (Member((A,), ((7, 8), (1, 2)), END, END), "0x1 does not come after 0x8"),
        (Member((A,) * 4, ((0, 1 << 128),), END, END), "is not a range"),
    ],
)
def test_terminator_errors(term: Terminator, message: str) -> None:
    blocks = (Block(Label("b"), (Const(A, 1),), term), Block(END, (), Return(Verdict.MATCH)))
    with pytest.raises(IrError) as caught:
        verify(Program(blocks))
    assert message in str(caught.value)


def test_wide_members_and_odd_names_are_right() -> None:
    verify(
        parse(
            "b:\n [12:2] = load2 12\n (x&1) = [12:2] & 1\n"
            " if (x&1) (x&1) (x&1) [12:2] in { 0xffffffffffffffffffffffffffffffff } goto c else c\n"
            "c:\n match"
        )
    )


def test_an_empty_program_is_refused() -> None:
    with pytest.raises(IrError, match="without blocks"):
        verify(Program(()))


def test_many_registers_and_blocks_are_quick() -> None:
    lines = [
        f"b{i}:\n r{i} = load1 {i}\n if r{i} == 1 goto yes else b{i + 1}" for i in range(10_000)
    ]
    lines.append("b10000:\n no match\nyes:\n match")
    verify(parse("\n".join(lines)))
