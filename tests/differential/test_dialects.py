"""Where packets have no tags and no IPv6 extension headers, both dialects give one verdict.

Of the listed differences that leaves `tcp[…]` and `udp[…]` on IPv6, and what the default dialect
mends in arithmetic (every `proto[…]` implies its protocol): such expressions are not asked.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.environment import Environment
from netbpf.expr.lower import lower
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import (
    Arith,
    Binary,
    Chain,
    Dialect,
    Expr,
    Negate,
    Not,
    PacketBytes,
    Relation,
)
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Program
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from tests.support.exprgen import Generator
from tests.support.mutate import packets_for
from tests.support.nested import nested_frame
from tests.support.reference.headers import EXTENSIONS, TAGS
from tests.support.tools import scaled

SEED = int(os.environ.get("NETBPF_SEED", "1"))
NETMASK = 0xFFFFFF00
LINKTYPES = [  # not NULL and LOOP: the pcap dialect expects its own host's address families
    LinkType.EN10MB,
    LinkType.RAW,
    LinkType.LINUX_SLL,
    LinkType.LINUX_SLL2,
    LinkType.PPP,
    LinkType.IPV4,
    LinkType.IPV6,
]
TYPE_AND_PAYLOAD = {
    LinkType.EN10MB: (12, 14),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}
IPV6_AT = {LinkType.RAW: 0, LinkType.IPV6: 0, LinkType.PPP: 4}


def plain(data: bytes, linktype: LinkType) -> bool:
    """Whether a frame has no tags, nor anything that could be an IPv6 extension header."""
    at = IPV6_AT.get(linktype)
    if linktype in TYPE_AND_PAYLOAD:
        type_at, at = TYPE_AND_PAYLOAD[linktype]
        kind = int.from_bytes(data[type_at : type_at + 2], "big")
        if kind in TAGS:
            return False
        if kind != 0x86DD:
            return True
    return at is None or data[at + 6 : at + 7] not in [bytes((one,)) for one in EXTENSIONS]


def relations(expr: Expr) -> Iterator[Relation]:
    """Yield the relations in an expression."""
    if isinstance(expr, Relation):
        yield expr
    elif isinstance(expr, Not):
        yield from relations(expr.operand)
    elif isinstance(expr, Chain):
        for term in (expr.first, *(term for _, term in expr.rest)):
            yield from relations(term)


def operands(node: Arith, *, leftmost: bool) -> list[PacketBytes]:
    """Return the `proto[…]` in a value, or those alone that libpcap takes into account."""
    if isinstance(node, Binary):
        left = operands(node.left, leftmost=leftmost)
        return left if leftmost else left + operands(node.right, leftmost=leftmost)
    if isinstance(node, Negate):
        return operands(node.operand, leftmost=leftmost)
    if isinstance(node, PacketBytes):
        return [*operands(node.index, leftmost=leftmost), node]
    return []


def means_the_same(expr: Expr | None) -> bool:
    """Whether both dialects mean the same by an expression, on plain packets."""
    for relation in relations(expr) if expr else ():
        for side in (relation.left, relation.right):
            every, taken = (operands(side, leftmost=one) for one in (False, True))
            words = {node.proto.value for node in every if node.proto}
            if every != taken or words & {"tcp", "udp"}:
                return False
    return True


@pytest.mark.parametrize("linktype", LINKTYPES, ids=lambda linktype: linktype.name)
def test_one_verdict_on_plain_packets(linktype: LinkType) -> None:
    rng = random.Random(SEED)
    generator = Generator(SEED, Dialect.PCAP, linktype, tunnels=False)
    wrong, asked, matched = [], 0, 0
    for _ in range(scaled(30 if linktype is LinkType.EN10MB else 6)):
        text, machines, program = drawn(generator, linktype)
        frames = [nested_frame(rng, linktype) for _ in range(20)]
        frames += [frame[: rng.randrange(len(frame))] for frame in frames]
        mutants = packets_for(program, seeds=frames[:3], count=80, rng=rng)
        packets = [Packet(frame) for frame in frames]
        packets += [Packet(mutant.data, mutant.length) for mutant in mutants]
        for packet in packets:
            if plain(packet.data, linktype):
                verdicts = [machine.run(packet) for machine in machines]
                asked += 1
                matched += verdicts[0].value == "match"
                if verdicts[0] is not verdicts[1]:
                    wrong.append(f"{text!r} on {packet}: {verdicts}")
    assert not wrong, f"seed {SEED}: {len(wrong)} differences\n" + "\n".join(wrong[:5])
    assert 0 < matched < asked


def drawn(generator: Generator, linktype: LinkType) -> tuple[str, list[Machine], Program]:
    """Draw an expression that both dialects take to be the same."""
    while True:
        text = generator.expression(4)
        env = Environment(text, linktype=linktype, netmask=NETMASK)
        expr = resolve(
            parse(text, dialect=Dialect.PCAP), text=text, dialect=Dialect.PCAP,
            linktype=linktype, resolver=NoNames(), sets={},
        )  # fmt: skip
        try:
            programs = [
                lower(expr, replace(env, dialect=dialect, reuse=reuse))
                for dialect, reuse in ((Dialect.NETBPF, True), (Dialect.PCAP, False))
            ]
        except ExpressionError:
            continue
        if means_the_same(expr):
            return text, [Machine(program) for program in programs], programs[1]
