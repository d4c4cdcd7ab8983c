"""The builder leaves out what the branches on the way rule out."""

from __future__ import annotations

import pytest

from netbpf.ir.builder import Builder
from netbpf.ir.interp import Packet, run
from netbpf.ir.possible import FEW, MOST, NOTHING, after
from netbpf.ir.program import Branch, Cmp, Label, Program, Reg, Verdict


def finished(builder: Builder, yes: Label, no: Label) -> Program:
    builder.place(yes)
    builder.ret(Verdict.MATCH)
    builder.place(no)
    builder.ret(Verdict.NO_MATCH)
    return builder.finish()


@pytest.mark.parametrize(("reuse", "blocks"), [(True, 4), (False, 5)])
def test_a_second_question_about_a_known_value_is_not_asked(reuse: bool, blocks: int) -> None:
    builder = Builder(reuse=reuse)
    yes, no, known = builder.label(), builder.label(), builder.label()
    byte = builder.load(None, 0, 1)
    builder.branch(Cmp.EQ, byte, 4, known, no)
    builder.place(known)
    never = builder.label()
    builder.branch(Cmp.EQ, byte, 6, never, yes)
    builder.place(never)
    builder.jump(no)
    program = finished(builder, yes, no)
    assert len(program.blocks) == blocks
    for value in range(10):
        assert (run(program, Packet(bytes((value,)))) is Verdict.MATCH) is (value == 4)


def test_where_ways_meet_the_values_of_both_remain() -> None:
    builder = Builder()
    yes, no, met, other = (builder.label() for _ in range(4))
    byte = builder.load(None, 0, 1)
    builder.branch(Cmp.EQ, byte, 1, met, other)
    builder.place(other)
    builder.member((byte,), ((2, 2), (3, 3)), met, no)
    builder.place(met)
    is_one, rest, never = (builder.label() for _ in range(3))
    builder.member((byte,), ((0, 0), (5, 9)), never, rest)  # none of 1, 2, 3
    builder.place(never)
    assert not builder.reachable
    builder.place(rest)
    builder.branch(Cmp.EQ, byte, 1, is_one, yes)
    builder.place(is_one)
    builder.member((byte,), ((1, 3),), no, yes)  # surely
    program = finished(builder, yes, no)
    for value in range(10):
        assert (run(program, Packet(bytes((value,)))) is Verdict.MATCH) is (value in (2, 3))


def test_what_is_left_after_a_no_is_known_too() -> None:
    builder = Builder()
    yes, no, few, one = (builder.label() for _ in range(4))
    byte = builder.load(None, 0, 1)
    builder.member((byte,), ((2, 2), (3, 3)), few, no)
    builder.place(few)
    builder.branch(Cmp.EQ, byte, 2, no, one)
    builder.place(one)
    builder.branch(Cmp.EQ, byte, 3, yes, no)  # nothing else is left
    assert len(finished(builder, yes, no).blocks) == 5


def test_many_values_and_other_relations_are_left_alone() -> None:
    builder = Builder()
    yes, no, many = (builder.label() for _ in range(3))
    byte = builder.load(None, 0, 1)
    members = tuple((2 * n, 2 * n) for n in range(FEW + 1))
    builder.member((byte,), members, many, no)
    builder.place(many)
    builder.branch(Cmp.EQ, byte, 1, no, yes)
    program = finished(builder, yes, no)
    assert len(program.blocks) == 4

    builder = Builder()
    yes, no, big = (builder.label() for _ in range(3))
    byte = builder.load(None, 0, 1)
    builder.branch(Cmp.GT, byte, 4, big, no)
    builder.place(big)
    builder.branch(Cmp.EQ, byte, 1, no, yes)
    assert len(finished(builder, yes, no).blocks) == 4


def test_no_more_registers_are_kept_than_are_worth_it() -> None:
    yes, no, possible = Label("yes"), Label("no"), NOTHING
    for number in range(2 * MOST):
        possible = after(Branch(Cmp.EQ, Reg(f"r{number}"), number, yes, no), yes, possible)
    assert len(possible) == MOST
    known = after(Branch(Cmp.EQ, Reg("r0"), 0, yes, no), yes, possible)  # it is there already
    assert known[Reg("r0")] == {0}
