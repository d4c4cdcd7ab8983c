"""Tests as values: a Test emits code that leaves to one of two labels.

Composing them says what libpcap's code generator says with blocks: `every(a, b)` tests b only
where a holds, `some(a, b)` only where a does not. The order of tests is the order of loads, which
is part of the meaning: a load out of bounds ends the program.
Depends on ir.builder and lower.layers.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.errors import ExpressionError, Span
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.layers import Layers, Test
from netbpf.ir.builder import Builder
from netbpf.ir.program import U32, AluOp, Cmp, Label, Reg

At = Callable[[], Origin]
"""Tells where a header begins, at the time when the test is emitted."""


def every(builder: Builder, *tests: Test) -> Test:
    """Return the conjunction: in order, none after the first that fails. No tests: true."""
    if not tests:
        return constant(builder, True)

    def emit(yes: Label, no: Label) -> None:
        for test in tests[:-1]:
            go_on(builder, test, no)
        tests[-1](yes, no)

    return emit


def some(builder: Builder, *tests: Test) -> Test:
    """Return the disjunction: in order, none after the first that holds. No tests: false."""
    if not tests:
        return constant(builder, False)

    def emit(yes: Label, no: Label) -> None:
        for test in tests[:-1]:
            other = builder.label()
            test(yes, other)
            builder.place(other)
        tests[-1](yes, no)

    return emit


def negated(test: Test) -> Test:
    """Return the opposite."""
    return lambda yes, no: test(no, yes)


def constant(builder: Builder, value: bool) -> Test:
    """Return what always, or never, holds; it loads nothing."""
    return lambda yes, no: builder.jump(yes if value else no)


def go_on(builder: Builder, test: Test, no: Label) -> None:
    """Go on where the test holds, else jump to `no`."""
    onward = builder.label()
    test(onward, no)
    builder.place(onward)


def field_is(layers: Layers, at: At, offset: int, width: int, value: int, mask: int = U32) -> Test:
    """Return the test of (bytes & mask) == value; the bytes are loaded even if the mask is 0."""
    builder = layers.builder

    def emit(yes: Label, no: Label) -> None:
        origin = at()
        reg = layers.load(origin.base, origin.offset + offset, width)
        masked(builder, reg, mask, value, yes, no)

    return emit


def masked(builder: Builder, reg: Reg, mask: int, value: int, yes: Label, no: Label) -> None:
    """Leave to `yes` where (reg & mask) == value."""
    if mask != U32:
        reg = builder.alu(AluOp.AND, reg, mask)
    builder.branch(Cmp.EQ, reg, value, yes, no)


def bytes_are(layers: Layers, at: At, offset: int, value: bytes) -> Test:
    """Return the test for a byte string, compared from its end in words, a half word, a byte."""
    tests: list[Test] = []
    end = len(value)
    for width in (4, 2, 1):
        while end >= width:
            part = int.from_bytes(value[end - width : end], "big")
            tests.append(field_is(layers, at, offset + end - width, width, part))
            end -= width
    return every(layers.builder, *tests)


def refuse(layers: Layers, message: str, span: Span, hint: str = "") -> ExpressionError:
    """Return the error to raise."""
    return ExpressionError(message, text=layers.env.text, span=span, hint=hint)


def check_most(layers: Layers, what: str, value: int, most: int, span: Span) -> None:
    """Refuse a number that does not fit its field."""
    if value > most:
        raise refuse(layers, f"{what} {value} greater than maximum {most}", span)
