"""The executable definition, checked by hand-written cases."""

from __future__ import annotations

import pytest

from netbpf.errors import IrError, Span
from netbpf.ir.arithmetic import compare, compute, contains
from netbpf.ir.builder import Builder
from netbpf.ir.interp import Machine, Packet, outputs, run, trace
from netbpf.ir.program import (
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Insn,
    Label,
    Load,
    Member,
    MetaField,
    Program,
    Reg,
    Return,
    Verdict,
)

A, B = Reg("a"), Reg("b")
MATCH, NO_MATCH = Verdict.MATCH, Verdict.NO_MATCH


def straight(*insns: Insn, outputs: tuple[Reg, ...] = ()) -> Program:
    """Return a program of one block that matches when it gets to its end."""
    return Program((Block(Label("entry"), insns, Return(MATCH)),), outputs=outputs)


@pytest.mark.parametrize(
    ("op", "a", "b", "result"),
    [
        (AluOp.ADD, 0xFFFFFFFF, 2, 1),
        (AluOp.SUB, 1, 2, 0xFFFFFFFF),
        (AluOp.MUL, 0x10000, 0x10001, 0x10000),
        (AluOp.DIV, 7, 2, 3),
        (AluOp.DIV, 0xFFFFFFFF, 2, 0x7FFFFFFF),
        (AluOp.DIV, 7, 0, None),
        (AluOp.MOD, 7, 4, 3),
        (AluOp.MOD, 7, 0, None),
        (AluOp.AND, 6, 3, 2),
        (AluOp.OR, 6, 3, 7),
        (AluOp.XOR, 6, 3, 5),
        (AluOp.LSH, 0xC0000001, 1, 0x80000002),
        (AluOp.LSH, 1, 31, 0x80000000),
        (AluOp.LSH, 1, 32, 0),
        (AluOp.RSH, 0x80000000, 31, 1),
        (AluOp.RSH, 0x80000000, 32, 0),
        (AluOp.RSH, 0x80000000, 0xFFFFFFFF, 0),
    ],
)
def test_arithmetic_is_unsigned_and_wraps(op: AluOp, a: int, b: int, result: int | None) -> None:
    assert compute(op, a, b) == result


@pytest.mark.parametrize(
    ("op", "a", "b", "holds"),
    [
        (Cmp.EQ, 1, 1, True),
        (Cmp.EQ, 1, 2, False),
        (Cmp.GT, 0x80000000, 1, True),
        (Cmp.GT, 1, 1, False),
        (Cmp.GE, 1, 1, True),
        (Cmp.GE, 0, 1, False),
        (Cmp.SET, 6, 2, True),
        (Cmp.SET, 6, 1, False),
    ],
)
def test_comparisons_are_unsigned(op: Cmp, a: int, b: int, holds: bool) -> None:
    assert compare(op, a, b) is holds


@pytest.mark.parametrize("value", range(12))
def test_contains_is_membership_in_ranges(value: int) -> None:
    ranges = ((1, 1), (3, 5), (6, 6), (9, 10))
    assert contains(ranges, value) is any(low <= value <= high for low, high in ranges)


@pytest.mark.parametrize(
    ("width", "value"), [(1, 0x01), (2, 0x0102), (4, 0x01020304)], ids=("byte", "half", "word")
)
def test_load_is_big_endian(width: int, value: int) -> None:
    program = straight(Load(A, None, 1, width), outputs=(A,))
    assert outputs(program, Packet(bytes(range(8)))) == (value,)


@pytest.mark.parametrize(("offset", "verdict"), [(4, MATCH), (5, NO_MATCH), (0xFFFFFFFF, NO_MATCH)])
def test_load_past_the_end_is_no_match(offset: int, verdict: Verdict) -> None:
    assert run(straight(Load(A, None, offset, 4)), Packet(bytes(8))) is verdict


@pytest.mark.parametrize(
    ("base", "offset", "verdict"),
    [(4, 0, MATCH), (4, 1, NO_MATCH), (0xFFFFFFFC, 4, MATCH), (0xFFFFFFFC, 3, NO_MATCH)],
)
def test_load_from_a_base_wraps(base: int, offset: int, verdict: Verdict) -> None:
    program = straight(Const(A, base), Load(B, A, offset, 4))
    assert run(program, Packet(bytes(8))) is verdict


@pytest.mark.parametrize(
    ("base", "end", "verdict"), [(4, 4, MATCH), (4, 5, NO_MATCH), (0xFFFFFFFC, 8, NO_MATCH)]
)
def test_bound_does_not_wrap(base: int, end: int, verdict: Verdict) -> None:
    program = straight(Const(A, base), Bound(A, end))
    assert run(program, Packet(bytes(8))) is verdict


@pytest.mark.parametrize(
    ("packet", "values"),
    [
        (Packet(b"abc"), (3, 0, 0, 0, 0, 0)),
        (Packet(b"abc", 60, 7, True), (60, 7, 1, 0, 0, 0)),
        (Packet(b"abc", vlan=(0x88A8, 0x2064)), (7, 0, 0, 1, 0x88A8, 0x2064)),
        (Packet(b"abc", 64, vlan=(0x8100, 0)), (64, 0, 0, 1, 0x8100, 0)),
    ],
)
def test_meta_is_what_the_hook_knows(packet: Packet, values: tuple[int, ...]) -> None:
    builder = Builder()
    regs = tuple(builder.meta(field) for field in MetaField)
    builder.ret(MATCH)
    assert outputs(builder.finish(regs), packet) == values


@pytest.mark.parametrize(("value", "verdict"), [(79, NO_MATCH), (80, MATCH), (81, NO_MATCH)])
def test_branch_and_member_choose(value: int, verdict: Verdict) -> None:
    ends = (Block(Label("t"), (), Return(MATCH)), Block(Label("f"), (), Return(NO_MATCH)))
    const = (Const(A, value), Const(B, 0), Copy(Reg("c"), A))
    branch = Branch(Cmp.EQ, A, 80, Label("t"), Label("f"))
    member = Member((B, B, B, Reg("c")), ((80, 80),), Label("t"), Label("f"))
    for term in (branch, member):
        assert run(Program((Block(Label("entry"), const, term), *ends)), Packet(b"")) is verdict


def test_member_concatenates_most_significant_first() -> None:
    value = 0x20010DB8_00000000_00000000_00000001
    builder = Builder()
    regs = tuple(builder.load(None, 4 * i, 4) for i in range(4))
    then, orelse = builder.label(), builder.label()
    builder.member(regs, ((value, value),), then, orelse)
    builder.place(then)
    builder.ret(MATCH)
    builder.place(orelse)
    builder.ret(NO_MATCH)
    machine = Machine(builder.finish())
    assert machine.run(Packet(value.to_bytes(16, "big"))) is MATCH
    assert machine.run(Packet((value + (1 << 96)).to_bytes(16, "big"))) is NO_MATCH


def test_outputs_are_none_without_a_match() -> None:
    program = straight(Load(A, None, 0, 1), outputs=(A,))
    assert outputs(program, Packet(b"\x07")) == (7,)
    assert outputs(program, Packet(b"")) is None


def test_trace_tells_every_step() -> None:
    builder = Builder()
    builder.span = Span(1, 2)
    a = builder.load(None, 0, 1)
    total = builder.alu(AluOp.DIV, a, builder.load(None, 1, 1))
    builder.span = None
    then, orelse = builder.label(), builder.label()
    builder.branch(Cmp.GT, total, 2, then, orelse)
    builder.place(then)
    builder.ret(MATCH)
    builder.place(orelse)
    builder.ret(NO_MATCH)
    program = builder.finish((a,))

    done = trace(program, Packet(b"\x09\x03"))
    assert [(step.operands, step.value) for step in done.steps] == [
        ((), 9),
        ((), 3),
        ((9, 3), 3),
        ((3,), 1),
        ((), None),
    ]
    assert [step.block for step in done.steps] == ["entry"] * 4 + [then]
    assert done.steps[0].span == Span(1, 2)
    assert (done.verdict, done.outputs) == (MATCH, (9,))
    assert not any(step.failed for step in done.steps)

    failed = trace(program, Packet(b"\x09\x00"))
    assert [step.failed for step in failed.steps] == [False, False, True]
    assert (failed.verdict, failed.outputs) == (NO_MATCH, None)


def test_strict_refuses_a_register_with_two_values() -> None:
    program = straight(Const(A, 1), Const(A, 2))
    assert Machine(program).run(Packet(b"")) is MATCH
    with pytest.raises(IrError, match="entry: a was 0x1 and becomes 0x2"):
        Machine(program, strict=True).run(Packet(b""))
