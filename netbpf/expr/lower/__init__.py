"""Lower a resolved expression to the intermediate representation.

Each dialect is a package of its own (`native`, `pcap`); `boolean` turns and, or and not into
blocks for both. Depends on ir, expr.nodes, proto.
"""

from __future__ import annotations

from netbpf.errors import CodeSizeError
from netbpf.expr.environment import Environment
from netbpf.expr.lower.boolean import DialectLowering
from netbpf.expr.lower.merge import merge_alternatives
from netbpf.expr.nodes import Dialect, Expr
from netbpf.ir.builder import Builder
from netbpf.ir.program import Program, Verdict

Kinds = tuple[int, ...]
"""Kinds of packets, as the dialect numbers them."""


_MOST_FOR_VERSIONS = 400  # blocks


def lower(expr: Expr | None, env: Environment) -> Program:
    """Lower `expr` (None: everything matches), as it comes out of `expr.resolve`.

    The program has no outputs. Raises ExpressionError for what the link type cannot have,
    CodeSizeError for what is too long.
    """
    if not env.reuse or expr is None:
        return _Attempt(expr, env).program
    expr = merge_alternatives(expr)
    try:
        plain = _Attempt(expr, env)
    except CodeSizeError:
        prepared = _Attempt(expr, env, prepare=True)
        if not prepared.needed:
            raise
        return prepared.program
    ahead = plain.needed and plain.repeats
    one = _Attempt(expr, env, prepare=True) if ahead else plain
    if not one.kinds or len(one.program.blocks) > _MOST_FOR_VERSIONS:
        return one.program
    several = _Attempt(expr, env, prepare=ahead, kinds=one.kinds)
    if several.matching != one.kinds:  # what cannot match needs no version to find that out
        several = _Attempt(expr, env, prepare=ahead, kinds=several.matching)
    return several.program


class _Attempt:
    """A program, and what the dialect says of it.

    With `prepare` what many tests may need is emitted ahead. That changes no verdict where it is
    `needed`: where every path to a match asks for it, and would have ended without. `kinds` of
    packets have versions of their own; `matching` are those whose version can match.
    """

    def __init__(
        self, expr: Expr | None, env: Environment, *, prepare: bool = False, kinds: Kinds = ()
    ) -> None:
        builder = Builder(env.text, reuse=env.reuse)
        dialect = _dialect(env, builder)
        yes, no = builder.label("yes"), builder.label("no")
        matching: list[int] = []
        for kind in dialect.versions(kinds):
            if prepare:
                dialect.prepare()
            match = builder.label("match")
            if expr is None:
                builder.jump(match)
            else:
                dialect.lower(expr, match, no)
            builder.place(match)
            if kind is not None and builder.reachable:
                matching.append(kind)
            builder.jump(yes)
        builder.place(yes)
        self.matching = tuple(matching)
        self.needed = dialect.was_asked_for()
        self.kinds = tuple(dialect.kinds())
        builder.ret(Verdict.MATCH)
        builder.place(no)
        builder.ret(Verdict.NO_MATCH)
        self.program = dialect.finish()
        self.repeats = dialect.repeats(self.program)


def _dialect(env: Environment, builder: Builder) -> DialectLowering:
    """Return the lowering of the dialect's tests; imports only that dialect."""
    if env.dialect is Dialect.PCAP:
        from netbpf.expr.lower.pcap import PcapLowering

        return PcapLowering(env, builder)
    from netbpf.expr.lower.native import NativeLowering

    return NativeLowering(env, builder)
