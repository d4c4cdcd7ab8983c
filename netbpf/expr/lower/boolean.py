"""And, or and not as control flow.

A test jumps to its true target or its false target; the targets say everything about short
circuits. In the chain `t0 op1 t1 op2 t2 …`, left-associative with equal precedence, the true
target of a term is the next term joined by `and` (else the chain's own), its false target the next
term joined by `or`. Tests are emitted in the order of the text, which is also the order in which
libpcap generates code: a dialect may keep state from one test to the next.

Iterative, so that nesting is bounded by memory only. Depends on ir.builder and expr.nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netbpf.expr.nodes import BoolOp, Chain, Expr, Not, Test
from netbpf.ir.builder import Builder
from netbpf.ir.program import Label, Program
from netbpf.records import dataclass


class DialectLowering:
    """How one dialect lowers tests; scopes are for what shifts offsets in one branch only."""

    builder: Builder

    def lower(self, expr: Expr, yes: Label, no: Label) -> None:
        """Emit an expression at the present point; control leaves to `yes` or `no`."""
        lower_boolean(expr, self, yes, no)

    def finish(self) -> Program:
        """Return the finished program."""
        return self.builder.finish()

    def kinds(self) -> Sequence[int]:
        """Return the kinds of packets that may have versions of the program to themselves.

        Called where the program matches: that may depend on what each path there has asked for.
        """
        return ()

    def versions(self, kinds: Sequence[int]) -> Iterator[int | None]:  # noqa: ARG002
        """Emit the way into the version for each kind, and at last for all packets (None).

        The expression is to follow at each.
        """
        yield None

    def prepare(self) -> None:
        """Emit ahead what many tests may need; nothing, as a rule."""

    def was_asked_for(self) -> bool:
        """Return whether every path to the present point needed what `prepare` emits."""
        return False

    def repeats(self, program: Program) -> bool:  # noqa: ARG002
        """Return whether a program would be much shorter with what `prepare` emits."""
        return False

    def test(self, node: Test, yes: Label, no: Label) -> None:
        """Emit code for one test that ends in jumps to `yes` and `no`; leave the point closed."""
        raise NotImplementedError

    def scope(self) -> object:
        """Return what `restore` needs to come back to the present scope."""
        return None

    def restore(self, scope: object) -> None:
        """Go back to a scope."""

    def follow(self, node: Test) -> None:
        """Enter the scope of the terms that `and` joins to `node` in its own chain."""


def lower_boolean(expr: Expr, dialect: DialectLowering, yes: Label, no: Label) -> None:
    """Emit `expr` at the builder's present point; control leaves to `yes` or `no`.

    Neither label is placed. The dialect is left in the scope that it had.
    """
    builder = dialect.builder
    todo: list[_Step] = [_Visit(expr, yes, no)]
    while todo:
        step = todo.pop()
        if isinstance(step, _Restore):
            dialect.restore(step.scope)
        elif isinstance(step, _Follow):
            dialect.follow(step.node)
        else:
            if step.start is not None:
                builder.place(step.start)
            node = step.expr
            if isinstance(node, Not):
                todo.append(_Visit(node.operand, step.no, step.yes))
            elif isinstance(node, Chain):
                todo.extend(reversed(_chain_steps(node, step, dialect)))
            else:
                builder.span = node.span
                dialect.test(node, step.yes, step.no)


@dataclass(frozen=True, slots=True)
class _Visit:
    """Emit `expr`, at `start` or at the present point."""

    expr: Expr
    yes: Label
    no: Label
    start: Label | None = None


@dataclass(frozen=True, slots=True)
class _Restore:
    """Go back to a scope: before a chain's term after `or`, and at its end."""

    scope: object


@dataclass(frozen=True, slots=True)
class _Follow:
    """Enter what `node` opens for the terms after it."""

    node: Test


_Step = _Visit | _Restore | _Follow


def _chain_steps(chain: Chain, whole: _Visit, dialect: DialectLowering) -> list[_Step]:
    """Return the steps that emit a chain, in order."""
    outer = dialect.scope()
    operands = [chain.first, *(term for _, term in chain.rest)]
    joins = [BoolOp.AND, *(op for op, _ in chain.rest)]  # the first term shifts like an `and`
    starts: list[Label | None] = [None, *(dialect.builder.label() for _ in chain.rest)]
    yes, no = whole.yes, whole.no
    visits: list[_Visit] = []
    for term, join, start in zip(operands[::-1], joins[::-1], starts[::-1], strict=True):
        visits.append(_Visit(term, yes, no, start))
        if start is not None:
            yes, no = (start, no) if join is BoolOp.AND else (yes, start)
    steps: list[_Step] = []
    for visit, join in zip(visits[::-1], joins, strict=True):
        if join is BoolOp.OR:
            steps.append(_Restore(outer))
        steps.append(visit)
        if join is BoolOp.AND and not isinstance(visit.expr, (Not, Chain)):
            steps.append(_Follow(visit.expr))
    steps.append(_Restore(outer))
    return steps
