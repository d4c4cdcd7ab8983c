"""All passes together: what they make of an expression, and how their time grows."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from netbpf.ir.builder import Builder
from netbpf.ir.passes import optimise
from netbpf.ir.program import AluOp, Cmp, Label, Program, Reg, Verdict
from netbpf.ir.verify import verify
from tests.unit.ir.passes.checks import check


def test_alternatives_that_repeat_themselves() -> None:
    # (ip and tcp port 80) or (ip and tcp port 443), each emitted by itself
    check(
        optimise,
        """
        entry:
          type = load2 12
          if type == 0x800 goto ip1 else next
        ip1:
          proto1 = load1 23
          if proto1 == 6 goto tcp1 else next
        tcp1:
          byte1 = load1 14
          low1 = byte1 & 15
          l4.1 = low1 << 2
          port1 = load2 l4.1 + 16
          if port1 == 80 goto yes else next
        next:
          type2 = load2 12
          if type2 == 0x800 goto ip2 else no
        ip2:
          proto2 = load1 23
          if proto2 == 6 goto tcp2 else no
        tcp2:
          byte2 = load1 14
          low2 = byte2 & 15
          l4.2 = low2 << 2
          port2 = load2 l4.2 + 16
          if port2 == 443 goto yes else no
        yes:
          match
        no:
          no match
        """,
        """
        entry:
          bound 24
          type = load2 12
          if type == 0x800 goto ip1 else no
        ip1:
          proto1 = load1 23
          if proto1 == 6 goto tcp1 else no
        tcp1:
          byte1 = load1 14
          low1 = byte1 & 15
          l4.1 = low1 << 2
          port1 = load2 l4.1 + 16
          if port1 in { 0x50 0x1bb } goto yes else no
        yes:
          match
        no:
          no match
        """,
    )


Alternative = Callable[[Builder, int, Label, Label], None]


def alternatives(count: int, emit: Alternative, *, reuse: bool) -> Program:
    """Return a program that tries one alternative after another."""
    builder = Builder(reuse=reuse)
    yes, no = builder.label("yes"), builder.label("no")
    for i in range(count):
        following = builder.label("next")
        emit(builder, i, yes, following)
        builder.place(following)
    builder.jump(no)
    builder.place(no)
    builder.ret(Verdict.NO_MATCH)
    builder.place(yes)
    builder.ret(Verdict.MATCH)
    return builder.finish()


def _ip(builder: Builder, otherwise: Label) -> None:
    inside = builder.label("ip")
    builder.branch(Cmp.EQ, builder.load(None, 12, 2), 0x800, inside, otherwise)
    builder.place(inside)


def _host(builder: Builder, i: int, yes: Label, otherwise: Label) -> None:
    _ip(builder, otherwise)
    more = builder.label()
    builder.branch(Cmp.EQ, builder.load(None, 26, 4), i, yes, more)
    builder.place(more)
    builder.branch(Cmp.EQ, builder.load(None, 30, 4), i, yes, otherwise)


def _bytes(builder: Builder, i: int, yes: Label, otherwise: Label) -> None:
    """Read another place of the packet each time."""
    _ip(builder, otherwise)
    low = builder.alu(AluOp.AND, builder.load(None, 14, 1), 15)
    total = builder.alu(AluOp.ADD, builder.load(low, i, 1), builder.load(None, i, 4))
    builder.branch(Cmp.GT, total, 3 * i, yes, otherwise)


def _bases(builder: Builder, i: int, yes: Label, otherwise: Label) -> None:
    """Read from another base each time, and join the ways."""
    join, left, right, done = Reg(f"join{i}"), *(builder.label() for _ in range(3))
    builder.branch(Cmp.SET, builder.load(None, i, 1), 1, left, right)
    builder.place(left)
    builder.const(14, join)
    builder.jump(done)
    builder.place(right)
    builder.const(18, join)
    builder.place(done)
    builder.branch(Cmp.EQ, builder.load(join, i, 1), 1, yes, otherwise)


@pytest.mark.parametrize("reuse", [True, False], ids=["reuse", "O0"])
@pytest.mark.parametrize("emit", [_host, _bytes, _bases])
def test_time_is_near_linear(emit: Alternative, reuse: bool) -> None:
    few, many = (alternatives(count, emit, reuse=reuse) for count in (200, 800))
    verify(many)
    optimise(few)  # whatever is slow the first time
    seconds = [min(_seconds(program) for _ in range(2)) for program in (few, many)]
    assert seconds[1] < 9 * seconds[0] + 0.05, seconds  # a quadratic pass takes 16 times as long


def _seconds(program: Program) -> float:
    start = time.process_time()
    optimise(program)
    return time.process_time() - start
