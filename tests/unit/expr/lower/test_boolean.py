"""And, or, not: which term is asked when, and in which scope."""

from __future__ import annotations

import itertools

import pytest

from netbpf.errors import Span
from netbpf.expr.lower.boolean import DialectLowering, lower_boolean
from netbpf.expr.nodes import BoolOp, Chain, Expr, Keyword, Not, Proto, Test
from netbpf.ir.builder import Builder
from netbpf.ir.interp import Packet, run
from netbpf.ir.program import Cmp, Label, Verdict

HERE = Span(0, 0)
TERMS = (Proto.IP, Proto.ARP, Proto.TCP, Proto.UDP)


class Bits(DialectLowering):
    """Term i of TERMS holds where byte i of the packet is not 0; scopes are counted."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.depth = 0
        self.seen: list[tuple[Proto, int]] = []

    def test(self, node: Test, yes: Label, no: Label) -> None:
        assert isinstance(node, Keyword)
        self.seen.append((node.proto, self.depth))
        byte = self.builder.load(None, TERMS.index(node.proto), 1)
        self.builder.branch(Cmp.EQ, byte, 0, no, yes)

    def scope(self) -> object:
        return self.depth

    def restore(self, scope: object) -> None:
        assert isinstance(scope, int)
        self.depth = scope

    def follow(self, _: Test) -> None:
        self.depth += 1


def term(index: int) -> Keyword:
    return Keyword(TERMS[index], HERE)


def verdicts(expr: Expr) -> dict[tuple[int, ...], bool]:
    """Return the verdict for each way in which the terms can hold."""
    bits = Bits()
    yes, no = bits.builder.label(), bits.builder.label()
    lower_boolean(expr, bits, yes, no)
    bits.builder.place(yes)
    bits.builder.ret(Verdict.MATCH)
    bits.builder.place(no)
    bits.builder.ret(Verdict.NO_MATCH)
    program = bits.builder.finish()
    return {
        held: run(program, Packet(bytes(held))) is Verdict.MATCH
        for held in itertools.product((0, 1), repeat=len(TERMS))
    }


@pytest.mark.parametrize("ops", list(itertools.product(BoolOp, repeat=3)), ids=str)
def test_and_and_or_associate_to_the_left(ops: tuple[BoolOp, ...]) -> None:
    rest = tuple((op, term(index + 1)) for index, op in enumerate(ops))
    for held, verdict in verdicts(Chain(term(0), rest, HERE)).items():
        result = held[0]
        for op, value in zip(ops, held[1:], strict=True):
            result = (result & value) if op is BoolOp.AND else (result | value)
        assert verdict is bool(result)


def test_not_binds_one_term_and_parentheses_nest() -> None:
    inner = Chain(term(1), ((BoolOp.OR, Not(term(2), HERE)),), HERE)
    expr = Chain(Not(term(0), HERE), ((BoolOp.AND, Not(inner, HERE)),), HERE)
    for held, verdict in verdicts(expr).items():
        assert verdict is (not held[0] and not (held[1] or not held[2]))


def test_deep_nesting_needs_no_recursion() -> None:
    expr: Expr = term(0)
    for _ in range(20_001):
        expr = Not(Chain(expr, (), HERE), HERE)
    assert all(verdict is not held[0] for held, verdict in verdicts(expr).items())


def test_scopes_follow_and_and_end_at_or() -> None:
    bits = Bits()
    yes, no = bits.builder.label(), bits.builder.label()
    inner = Chain(term(1), ((BoolOp.AND, term(2)),), HERE)
    rest = (
        (BoolOp.AND, inner), (BoolOp.AND, Not(term(3), HERE)), (BoolOp.AND, term(1)),
        (BoolOp.OR, term(2)), (BoolOp.AND, term(3)), (BoolOp.AND, term(0)),
    )  # fmt: skip
    lower_boolean(Chain(term(0), rest, HERE), bits, yes, no)
    assert [depth for _, depth in bits.seen] == [0, 1, 2, 1, 1, 0, 0, 1]
    assert bits.depth == 0
