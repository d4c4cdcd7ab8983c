"""What the parser keeps per parenthesis, so that it never has to call itself.

A Sum is arithmetic under way, by operator precedence; a Frame is one level of nesting.
Depends on nodes, tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from netbpf.errors import Span
from netbpf.expr.nodes import (
    Arith,
    Binary,
    BoolOp,
    Chain,
    Expr,
    Negate,
    Num,
    Proto,
    Qualifiers,
    RelOp,
)
from netbpf.expr.primitives import Head
from netbpf.expr.tokens import Token
from netbpf.ir.program import AluOp
from netbpf.records import dataclass, field

_BINDING: Final[Mapping[AluOp | None, int]] = {
    AluOp.OR: 1,
    AluOp.AND: 2,
    AluOp.LSH: 3,
    AluOp.RSH: 3,
    AluOp.ADD: 4,
    AluOp.SUB: 4,
    AluOp.MUL: 5,
    AluOp.DIV: 5,
    None: 6,  # the minus sign of a negative value
}  # pcap-filter's grammar gives % and ^ no precedence: what follows them always goes first


class Sum:
    """Arithmetic under way: values and the operators that wait for their right side."""

    __slots__ = ("_ops", "_values", "wants_value")

    def __init__(self) -> None:
        self._values: list[Arith] = []
        self._ops: list[tuple[AluOp | None, int]] = []  # None: negation; where it stands
        self.wants_value = True

    def value(self, value: Arith) -> None:
        """Take an operand."""
        self._values.append(value)
        self.wants_value = False

    def negate(self, start: int) -> None:
        """Take a minus sign before an operand."""
        self._ops.append((None, start))

    def operator(self, op: AluOp) -> None:
        """Take an operator after an operand."""
        while self._ops and self._binds(self._ops[-1][0], op):
            self._reduce()
        self._ops.append((op, 0))
        self.wants_value = True

    @staticmethod
    def _binds(waiting: AluOp | None, coming: AluOp) -> bool:
        """Whether the waiting operator takes its right side before the coming one does."""
        if waiting not in _BINDING or coming not in _BINDING:
            return False
        return _BINDING[waiting] >= _BINDING[coming]

    def finish(self) -> Arith:
        """Return the whole."""
        while self._ops:
            self._reduce()
        return self._values[0]

    def _reduce(self) -> None:
        op, start = self._ops.pop()
        right = self._values.pop()
        if op is None:
            self._values.append(Negate(right, Span(start, right.span.end)))
            return
        left = self._values.pop()
        self._values.append(Binary(op, left, right, left.span.cover(right.span)))


def widen(value: Arith, span: Span) -> Arith:
    """Return the value with the span of the parentheses around it."""
    match value:
        case Binary(op, left, right):
            return Binary(op, left, right, span)
        case Negate(operand):
            return Negate(operand, span)
        case Num(number, _, word):
            return Num(number, span, word)
    return value


class Mode(Enum):
    """What may stand in a frame."""

    EXPRESSION = auto()  # primitives; bare identifiers only after 'and' or 'or'
    EITHER = auto()  # a parenthesis after 'and' or 'or': its first part decides
    IDENTIFIERS = auto()  # a parenthesis after qualifiers
    ARITHMETIC = auto()


class Role(Enum):
    """What opened a frame."""

    TOP = auto()
    GROUP = auto()
    INDEX = auto()
    INNER = auto()


@dataclass(slots=True)
class Frame:
    """One level of nesting: the terms read so far, and the one under way."""

    mode: Mode
    role: Role = Role.TOP
    start: int = 0  # where the construct begins, for its span
    quals: Qualifiers | None = None  # what a bare identifier inherits here
    proto: Proto | None = None  # of an INDEX
    opener: Token | None = None

    first: Expr | None = None
    rest: list[tuple[BoolOp, Expr]] = field(default_factory=list)
    op: BoolOp | None = None  # the operator before the term under way
    done: bool = False  # the term is complete
    grouped: bool = False  # the last complete term is a parenthesis

    nots: list[int] = field(default_factory=list)  # where each `not` before the term stands
    head: Head | None = None
    sum: Sum | None = None
    relation: tuple[RelOp, Arith] | None = None

    @property
    def last(self) -> Expr | None:
        """The last complete term."""
        return self.rest[-1][1] if self.rest else self.first

    def add(self, term: Expr) -> None:
        """Complete a term."""
        if self.first is None:
            self.first = term
        else:
            assert self.op is not None
            self.rest.append((self.op, term))
        self.op = None
        self.done = True

    def replace_last(self, term: Expr) -> None:
        """Put another term in the place of the last complete one."""
        if self.rest:
            self.rest[-1] = self.rest[-1][0], term
        else:
            self.first = term

    def expression(self, span: Span | None = None) -> Expr:
        """Return the frame's terms as one expression; a single term is itself."""
        assert self.first is not None
        if not self.rest:
            return self.first
        if span is None:
            span = self.first.span.cover(self.rest[-1][1].span)
        return Chain(self.first, tuple(self.rest), span)
