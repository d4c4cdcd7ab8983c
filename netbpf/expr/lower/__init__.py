"""Lower a resolved expression to the intermediate representation.

Each dialect is a package of its own (`native`, `pcap`); `boolean` turns and, or and not into
blocks for both. Depends on ir, expr.nodes, proto.
"""

from __future__ import annotations

from netbpf.expr.environment import Environment
from netbpf.expr.lower.boolean import DialectLowering
from netbpf.expr.lower.merge import merge_alternatives
from netbpf.expr.nodes import Dialect, Expr
from netbpf.ir.builder import Builder
from netbpf.ir.program import Program, Verdict


def lower(expr: Expr | None, env: Environment) -> Program:
    """Lower `expr` (None: everything matches), as it comes out of `expr.resolve`.

    The program has no outputs. Raises ExpressionError for what the link type cannot have.
    """
    builder = Builder(env.text, reuse=env.reuse)
    dialect = _dialect(env, builder)
    yes, no = builder.label("yes"), builder.label("no")
    if expr is None:
        builder.jump(yes)
    else:
        dialect.lower(merge_alternatives(expr) if env.reuse else expr, yes, no)
    builder.place(yes)
    builder.ret(Verdict.MATCH)
    builder.place(no)
    builder.ret(Verdict.NO_MATCH)
    return dialect.finish()


def _dialect(env: Environment, builder: Builder) -> DialectLowering:
    """Return the lowering of the dialect's tests; imports only that dialect."""
    if env.dialect is Dialect.PCAP:
        from netbpf.expr.lower.pcap import PcapLowering

        return PcapLowering(env, builder)
    from netbpf.expr.lower.native import NativeLowering

    return NativeLowering(env, builder)
