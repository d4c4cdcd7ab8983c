"""The default dialect's own words."""

from __future__ import annotations

import pytest

from netbpf.errors import Span
from netbpf.expr.nodes import (
    AddressSet,
    BoolOp,
    Chain,
    Dialect,
    Fragment,
    FragmentKind,
    HeaderField,
    IfName,
    Inner,
    IPv4,
    IPv6,
    Keyword,
    Kind,
    Name,
    NamedSet,
    Num,
    Number,
    PacketBytes,
    PayloadStarts,
    Primitive,
    Proto,
    Relation,
    RelOp,
    TcpFlags,
    Tunnel,
    TunnelTest,
)
from netbpf.expr.parser import parse


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("frag", Fragment(FragmentKind.ANY, Span(0, 4))),
        ("frag first", Fragment(FragmentKind.FIRST, Span(0, 10))),
        ("frag later", Fragment(FragmentKind.LATER, Span(0, 10))),
        ("tcp flags syn", TcpFlags(2, 0, Span(0, 13))),
        ("tcp flags syn,!ack", TcpFlags(2, 0x10, Span(0, 18))),
        ("tcp flags psh , tcp-fin,not cwr", TcpFlags(9, 0x80, Span(0, 31))),
        ("gre", TunnelTest(Tunnel.GRE, None, Span(0, 3))),
        ("ipip", TunnelTest(Tunnel.IPIP, None, Span(0, 4))),
        ("gtp", TunnelTest(Tunnel.GTP, None, Span(0, 3))),
        ("gtp 0xffffffff", TunnelTest(Tunnel.GTP, 0xFFFFFFFF, Span(0, 14))),
        ("vxlan port 8472", TunnelTest(Tunnel.VXLAN, None, Span(0, 15), port=8472)),
        ("vxlan 42 port 8472", TunnelTest(Tunnel.VXLAN, 42, Span(0, 18), port=8472)),
        (
            "vlan in {20, 10-15, 9-8}",
            TunnelTest(Tunnel.VLAN, None, Span(0, 24), members=((8, 9), (10, 15), (20, 20))),
        ),
        ("vlan in @trunk", TunnelTest(Tunnel.VLAN, None, Span(0, 14), named="trunk")),
        (r'payload starts "GE\x54\n\r\t\\\""', PayloadStarts(b'GET\n\r\t\\"', Span(0, 33))),
        ('payload starts "é"', PayloadStarts("é".encode(), Span(0, 18))),
        ('payload starts "\\xff"', PayloadStarts(b"\xff", Span(0, 21))),
        (
            "payload[0:4] = 0x47455420",
            Relation(
                RelOp.EQ,
                PacketBytes(None, Num(0, Span(8, 9)), 4, Span(0, 12)),
                Num(0x47455420, Span(15, 25)),
                Span(0, 25),
            ),
        ),
        (
            "ttl < 5",
            Relation(RelOp.LT, HeaderField("ttl", Span(0, 3)), Num(5, Span(6, 7)), Span(0, 7)),
        ),
        ("inner (tcp)", Inner(Keyword(Proto.TCP, Span(7, 10)), Span(0, 11))),
        ("ifname tcp", IfName("tcp", Span(0, 10))),
        ('ifname "we ird"', IfName("we ird", Span(0, 15))),
    ],
)
def test_extension(text: str, node: object) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dscp ef", 46),
        ("dscp be", 0),
        ("dscp le", 1),
        ("dscp cs1", 8),
        ("dscp cs7", 56),
        ("dscp af11", 10),
        ("dscp af43", 38),
        ("dscp 46", 46),
        ("dscp = ef", 46),
        ("dscp >= cs5", 40),
    ],
)
def test_dscp(text: str, value: int) -> None:
    expr = parse(text)
    assert isinstance(expr, Relation)
    assert isinstance(expr.left, HeaderField)
    assert isinstance(expr.right, Num)
    assert expr.right.value == value


def test_a_set_of_ports() -> None:
    expr = parse("tcp dst port in {80, http, 8000-8099}")
    assert isinstance(expr, Primitive)
    assert expr.quals.kind is Kind.PORT
    assert expr.ident == AddressSet(
        (
            Number(80, Span(17, 19)),
            Name("http", False, Span(21, 25)),
            Name("8000-8099", False, Span(27, 36)),
        ),
        Span(13, 37),
    )
    assert expr.span == Span(0, 37)


def test_a_set_of_networks() -> None:
    expr = parse("src net in {10.0.0.0/8,2001:db8::/32}")
    assert isinstance(expr, Primitive)
    assert isinstance(expr.ident, AddressSet)
    ipv4, ipv6 = expr.ident.elements
    assert isinstance(ipv4, IPv4)
    assert isinstance(ipv6, IPv6)
    assert (ipv4.length, ipv6.length) == (8, 32)


def test_a_named_set() -> None:
    expr = parse("src net in @blocklist or dst net in @other-list")
    assert isinstance(expr, Chain)
    assert isinstance(expr.first, Primitive)
    assert expr.first.ident == NamedSet("blocklist", Span(8, 21))


def test_a_set_hands_its_qualifiers_on() -> None:
    expr = parse("dst port in {80, 443} or 8080")
    assert isinstance(expr, Chain)
    ((op, last),) = expr.rest
    assert op is BoolOp.OR
    assert isinstance(last, Primitive)
    assert isinstance(expr.first, Primitive)
    assert last.quals == expr.first.quals


@pytest.mark.parametrize(
    "word",
    ["frag", "inner", "gre", "ipip", "gtp", "payload", "ttl", "dscp", "flags", "in", "starts",
     "first", "ef"],
)  # fmt: skip
@pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)
def test_a_host_of_that_name_stays_sayable(word: str, dialect: Dialect) -> None:
    for text in (f"host {word}", f"host \\{word}", f"host x or \\{word}", f"src {word}"):
        expr = parse(text, dialect=dialect)
        if isinstance(expr, Chain):
            expr = expr.rest[0][1]
        assert isinstance(expr, Primitive), text
        assert isinstance(expr.ident, Name)
        assert expr.ident.text == word


def test_inner_keeps_its_own_expression() -> None:
    expr = parse("vxlan 42 and inner (tcp port 80 or 443)")
    assert isinstance(expr, Chain)
    inner = expr.rest[0][1]
    assert isinstance(inner, Inner)
    assert isinstance(inner.expr, Chain)
    assert len(inner.expr.rest) == 1
