"""Neighbouring alternatives become sets, and nothing else does."""

from __future__ import annotations

import pytest

from netbpf.expr.lower.merge import merge_alternatives
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import AddressSet, Chain, Dialect, Expr, Inner, Not, Primitive
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.program import Member, Program
from netbpf.proto.linktype import LinkType
from tests.unit.expr.lower.asking import program_of


def merged(text: str) -> Expr:
    expr = resolve(
        parse(text), text=text, dialect=Dialect.NETBPF, linktype=LinkType.EN10MB,
        resolver=NoNames(), sets={},
    )  # fmt: skip
    assert expr is not None
    return merge_alternatives(expr)


def sizes(expr: Expr) -> list[int]:
    """Return, in order of the text, how many elements each primitive has."""
    if isinstance(expr, Primitive):
        return [len(expr.ident.elements) if isinstance(expr.ident, AddressSet) else 1]
    if isinstance(expr, Not):
        return sizes(expr.operand)
    if isinstance(expr, Inner):
        return sizes(expr.expr)
    if isinstance(expr, Chain):
        return [size for one in (expr.first, *(t for _, t in expr.rest)) for size in sizes(one)]
    return [0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host 1.1.1.1 or host 2.2.2.2 or 3.3.3.3", [3]),
        ("port 80 or 443 or portrange 1-2", [2, 1]),
        ("tcp or port 1 or port 2", [0, 2]),
        ("tcp and port 1 or port 2", [0, 1, 1]),
        ("tcp and port 1 or port 2 or port 3 and ip", [0, 1, 2, 0]),
        ("port 1 or port 2 and port 3 or port 4", [2, 1, 1]),
        ("host 1.1.1.1 or src host 2.2.2.2", [1, 1]),
        ("src host 1.1.1.1 or dst host 2.2.2.2", [1, 1]),
        ("tcp port 1 or udp port 2", [1, 1]),
        ("host 1.1.1.1 or net 2.0.0.0/8", [1, 1]),
        ("ip host 1.1.1.1 or host 2.2.2.2", [1, 1]),
        ("src and dst host 1.1.1.1 or src and dst host 2.2.2.2", [1, 1]),
        ("host ::1 or host ::2", [1, 1]),  # not exact on packets cut off within an address
        ("src host ::1 or src host ::2", [2]),
        ("ether host 1:1:1:1:1:1 or ether host 2:2:2:2:2:2", [2]),
        ("not (port 1 or port 2)", [2]),
        ("not port 1 or port 2", [1, 1]),
        ("(port 1) or port 2", [2]),
        ("not port 1 and not port 2 and not (port 3 or port 4)", [2, 2]),
        ("tcp and not port 1 and not port 2 or not port 3", [0, 2, 1]),
        ("udp or not port 1 and not port 2", [0, 1, 1]),
        ("not port 1 and port 2", [1, 1]),
        ("not tcp and not port 1", [0, 1]),
        ("not host 1.1.1.1 and not port 1", [1, 1]),
        ("inner (port 1 or port 2)", [2]),
        ("ip proto 6 or ip proto 17", [1, 1]),
    ],
)
def test_what_is_merged(text: str, expected: list[int]) -> None:
    assert sizes(merged(text)) == expected


def members(program: Program) -> list[int]:
    """Return the sizes of the sets in a program, EtherTypes and protocols aside."""
    terms = (block.term for block in program)
    return [len(term.members) for term in terms if isinstance(term, Member)]


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_a_thousand_hosts_are_a_few_blocks(dialect: Dialect) -> None:
    text = " or ".join(f"host 10.{n}.0.1" for n in range(250) for _ in range(4))
    program = program_of(text, dialect=dialect)
    assert len(program.blocks) < 50
    assert members(program).count(250) == 4  # source and destination; IPv4, and (R)ARP


def test_without_reuse_nothing_is_merged() -> None:
    text = " or ".join(f"port {n}" for n in range(0, 40, 2))
    assert 20 in members(program_of(text))
    assert 20 not in members(program_of(text, reuse=False))
