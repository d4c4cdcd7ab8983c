"""From text to the IR, without the optimiser: what lowering itself says."""

from __future__ import annotations

from netbpf.expr.environment import Environment
from netbpf.expr.lower import lower
from netbpf.expr.names import NoNames, Resolver
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.program import Program
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType


def lowered(
    text: str,
    *,
    dialect: Dialect = Dialect.PCAP,
    linktype: LinkType = LinkType.EN10MB,
    netmask: int | None = None,
    stripped_tags: bool = False,
    live: bool = False,
    reuse: bool = True,
    resolver: Resolver | None = None,
) -> Program:
    """Return the verified program of `text`; knows no names by default. Raises ExpressionError."""
    expr = resolve(
        parse(text, dialect=dialect),
        text=text,
        dialect=dialect,
        linktype=linktype,
        resolver=resolver or NoNames(),
        sets={},
    )
    env = Environment(text, dialect, linktype, netmask, stripped_tags, live, reuse)
    program = lower(expr, env)
    verify(program)
    return program
