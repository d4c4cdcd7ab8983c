"""Ask an expression about a packet, by the interpreter."""

from __future__ import annotations

from netbpf.expr.environment import Environment
from netbpf.expr.lower import lower
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.interp import Packet, run
from netbpf.ir.program import Program, Verdict
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType


def program_of(
    text: str,
    *,
    linktype: LinkType = LinkType.EN10MB,
    dialect: Dialect = Dialect.NETBPF,
    reuse: bool = True,
    roomy: bool = False,
    stripped_tags: bool = False,
    live: bool = False,
    netmask: int | None = None,
) -> Program:
    """Parse, resolve, lower and verify."""
    expr = resolve(
        parse(text, dialect=dialect),
        text=text,
        dialect=dialect,
        linktype=linktype,
        resolver=NoNames(),
        sets={},
    )
    env = Environment(
        text,
        dialect=dialect,
        linktype=linktype,
        reuse=reuse,
        roomy=roomy,
        stripped_tags=stripped_tags,
        live=live,
        netmask=netmask,
    )
    program = lower(expr, env)
    verify(program)
    return program


def asked(text: str, packet: bytes | Packet, *, linktype: LinkType = LinkType.EN10MB) -> bool:
    """Return the verdict, which is the same with and without reuse."""
    packet = packet if isinstance(packet, Packet) else Packet(packet)
    stripped = packet.vlan is not None
    verdicts = {
        run(program_of(text, linktype=linktype, reuse=reuse, stripped_tags=stripped), packet)
        for reuse in (True, False)
    }
    assert len(verdicts) == 1
    return verdicts == {Verdict.MATCH}
