"""The parser: structure, precedence, inheritance. What is wrong is in test_parser_errors."""

from __future__ import annotations

import pytest

from netbpf.errors import ExpressionError, Span
from netbpf.expr.nodes import (
    ArcnetAddress,
    BoolOp,
    Chain,
    Dialect,
    Direction,
    IfIndex,
    IfName,
    IPv4,
    IPv6,
    Keyword,
    Kind,
    Llc,
    Name,
    Not,
    Number,
    Primitive,
    Proto,
    Qualifiers,
    Tunnel,
    TunnelTest,
    Unsupported,
)
from netbpf.expr.parser import parse
from tests.support.exprtext import spell

BOTH = pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)


@BOTH
@pytest.mark.parametrize("text", ["", " ", "\n\t\r"])
def test_nothing_is_everything(text: str, dialect: Dialect) -> None:
    assert parse(text, dialect=dialect) is None


@BOTH
@pytest.mark.parametrize(
    ("text", "full"),
    [
        # and, or: equal precedence, to the left; not: one term
        ("tcp or udp and ip", "((tcp or udp) and ip)"),
        ("tcp and udp or ip", "((tcp and udp) or ip)"),
        ("tcp or (udp and ip)", "(tcp or (udp and ip))"),
        ("not tcp and udp", "(not tcp and udp)"),
        ("not (tcp and udp)", "not (tcp and udp)"),
        ("! tcp && udp || ip", "((not tcp and udp) or ip)"),
        ("not not tcp", "tcp"),
        ("not not not tcp", "not tcp"),
        ("not (not tcp)", "tcp"),
        ("((tcp))", "tcp"),
        ("((tcp or udp)) and ip", "((tcp or udp) and ip)"),
        # qualifiers
        ("src or dst net 10.0.0.0/8", "src or dst net 10.0.0.0/8"),
        ("dst and src port 80", "src and dst port 80"),
        ("tcp src port 80", "tcp src port 80"),
        ("src 1.2.3.4", "src 1.2.3.4"),
        ("ether host 1:2:3:4:5:6", "link host 01:02:03:04:05:06"),
        ("ip proto \\tcp", "ip proto \\tcp"),
        ("gateway foo", "gateway foo"),
        ("ip6 protochain 6", "ip6 protochain 6"),
        # inheritance
        ("port 80 or 443", "(port 80 or port 443)"),
        ("tcp port 80 or 443 or 22", "((tcp port 80 or tcp port 443) or tcp port 22)"),
        ("tcp port (80 or 443)", "(tcp port 80 or tcp port 443)"),
        ("tcp port (80 or 443) or 22", "((tcp port 80 or tcp port 443) or tcp port 22)"),
        ("not host foo and bar", "(not host foo and host bar)"),
        ("not host (foo or bar)", "not (host foo or host bar)"),
        ("host foo and not bar", "(host foo and not host bar)"),
        ("port not 80", "not port 80"),
        ("port (not 80 and 443)", "(not port 80 and port 443)"),
        ("port (80)", "port 80"),
        ("port ((80) or 443)", "(port 80 or port 443)"),
        ("port (80 or (443 and 22))", "(port 80 or (port 443 and port 22))"),
        ("port 80 and (443 or 22)", "(port 80 and (port 443 or port 22))"),
        ("port 80 and (not 443 or 22)", "(port 80 and (not port 443 or port 22))"),
        ("port 80 and not (443 or 22)", "(port 80 and not (port 443 or port 22))"),
        ("port 80 and host foo or bar", "((port 80 and host foo) or host bar)"),
        ("port 80 and (host foo) or 22", "((port 80 and host foo) or port 22)"),
        ("src port 80 or dst 1.2.3.4 or 5.6.7.8", "((src port 80 or dst 1.2.3.4) or dst 5.6.7.8)"),
        ("(port 80 or 443) and tcp", "((port 80 or port 443) and tcp)"),
        ("host foo and (port 80)", "(host foo and port 80)"),
        ("host foo and ((port 80))", "(host foo and port 80)"),
        # numbers: identifier or value, by what follows
        ("port 80 or 5 < len", "(port 80 or 5 < len)"),
        ("port 80 or (5) < len", "(port 80 or 5 < len)"),
        ("port 80 or (5 + 6) < len", "(port 80 or (5 + 6) < len)"),
        ("port 80 or (5 < len)", "(port 80 or 5 < len)"),
        ("port 80 or (5)", "(port 80 or port 5)"),
        ("port 80 or ((5))", "(port 80 or port 5)"),
        ("port 80 or not 5 < len", "(port 80 or not 5 < len)"),
        ("port 80 or not 5", "(port 80 or not port 5)"),
        # arithmetic
        ("len = 1 + 2 * 3", "len = (1 + (2 * 3))"),
        ("len = 1 * 2 + 3", "len = ((1 * 2) + 3)"),
        ("len = 1 - 2 - 3", "len = ((1 - 2) - 3)"),
        ("len = 1 | 2 & 3 << 4 + 5 * 6", "len = (1 | (2 & (3 << (4 + (5 * 6)))))"),
        ("len = 1 * 2 + 3 << 4 & 5 | 6", "len = (((((1 * 2) + 3) << 4) & 5) | 6)"),
        ("len = - 1 * 2", "len = ((- 1) * 2)"),
        ("len = 1 - - 2", "len = (1 - (- 2))"),
        ("len = (1 + 2) * 3", "len = ((1 + 2) * 3)"),
        ("tcp[0] & 1 = 1 and udp", "((tcp[0:1] & 1) = 1 and udp)"),
        ("tcp[tcp[0] >> 4 : 2] > 5", "tcp[(tcp[0:1] >> 4):2] > 5"),
        ("(tcp[0]) = (1)", "tcp[0:1] = 1"),
        ("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "(tcp[13:1] & (2 | 16)) = 2"),
        ("0x10 = 010", "16 = 8"),
        # pcap-filter's grammar gives % and ^ no precedence: what follows them goes first
        ("len = 1 * 2 % 3", "len = (1 * (2 % 3))"),
        ("len = 1 % 2 + 3", "len = (1 % (2 + 3))"),
        ("len = 1 ^ 2 | 3", "len = (1 ^ (2 | 3))"),
        ("len = 1 + 2 % 3 * 4 + 5", "len = (1 + (2 % ((3 * 4) + 5)))"),
        ("len = - 1 % 2", "len = (- (1 % 2))"),
        # words
        ("vlan 5 and vlan (6)", "(vlan 5 and vlan 6)"),
        ("pppoes and mpls 100", "(pppoes and mpls 100)"),
        ("less 5 or greater 0x10", "(less 5 or greater 16)"),
        ("byte 8 & 5", "byte 8 & 5"),
        ("ip multicast or ether broadcast", "(ip multicast or link broadcast)"),
        ("llc or llc s or llc rnr", "((llc or llc s) or llc rnr)"),
        ("inbound or outbound", "(inbound or outbound)"),
        ("es-is or is-is", "(esis or isis)"),
        ("length >= 100", "len >= 100"),
    ],
)
def test_structure(text: str, full: str, dialect: Dialect) -> None:
    expr = parse(text, dialect=dialect)
    assert expr is not None
    shown = spell(expr)
    assert shown == full
    again = parse(full, dialect=dialect)
    assert again is not None
    assert spell(again) == full


def test_a_primitive_in_full() -> None:
    text = "tcp src or dst port 80 or 443"
    quals = Qualifiers(Proto.TCP, Direction.OR, Kind.PORT)
    assert parse(text) == Chain(
        Primitive(quals, Number(80, Span(20, 22)), Span(0, 22)),
        ((BoolOp.OR, Primitive(quals, Number(443, Span(26, 29)), Span(26, 29), inherited=True)),),
        Span(0, 29),
    )


def test_the_span_of_not_and_of_parentheses() -> None:
    expr = parse(" not ( tcp or udp ) ")
    assert isinstance(expr, Not)
    assert expr.span == Span(1, 19)
    assert expr.operand.span == Span(5, 19)


@pytest.mark.parametrize(
    ("text", "ident"),
    [
        ("host 10.1.2.3", IPv4("10.1.2.3", 0x0A010203, 32, Span(5, 13))),
        ("net 10.1", IPv4("10.1", 0x0A01, 16, Span(4, 8))),
        ("net 10.1.2.3/32", IPv4("10.1.2.3", 0x0A010203, 32, Span(4, 15), length=32)),
        ("net 10.1.0.0/16", IPv4("10.1.0.0", 0x0A010000, 32, Span(4, 15), length=16)),
        ("net 10.1 / 16", IPv4("10.1", 0x0A01, 16, Span(4, 13), length=16)),
        (
            "net 10.1 mask 255.255",
            IPv4("10.1", 0x0A01, 16, Span(4, 21), mask=0xFFFF, mask_bits=16),
        ),
        ("host ::1", IPv6("::1", 1, Span(5, 8))),
        ("net fe80::/10", IPv6("fe80::", 0xFE80 << 112, Span(4, 13), length=10)),
        ("host fe80::1/128", IPv6("fe80::1", 0xFE80 << 112 | 1, Span(5, 16), length=128)),
        ("host foo-bar.example", Name("foo-bar.example", False, Span(5, 20))),
        ("host \\tcp", Name("tcp", True, Span(5, 9))),
        ("port 80-90", Name("80-90", False, Span(5, 10))),
        ("link host $1f", ArcnetAddress(0x1F, Span(10, 13))),
        ("decnet host 50.764", IPv4("50.764", 0, 0, Span(12, 18))),
    ],
)
def test_identifiers(text: str, ident: object) -> None:
    expr = parse(text, dialect=Dialect.PCAP)
    assert isinstance(expr, Primitive)
    assert expr.ident == ident


@BOTH
@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("ifindex 3", IfIndex(3, Span(0, 9))),
        ("ifname eth0.5", IfName("eth0.5", Span(0, 13))),
        ("on br-lan", IfName("br-lan", Span(0, 9))),
        ("llc RR", Llc("rr", Span(0, 6))),
        ("type mgt subtype beacon", Unsupported("wlan", "type/subtype", Span(0, 23))),
        ("wlan type data", Unsupported("wlan", "type/subtype", Span(5, 14))),
        ("subtype qos", Unsupported("wlan", "type/subtype", Span(0, 11))),
        ("direction fromds", Unsupported("wlan", "dir", Span(0, 16))),
        ("vpi 1", Unsupported("atm", "vpi", Span(0, 5))),
        ("vci (1 or 2 or 3)", Unsupported("atm", "vci", Span(0, 17))),
        ("oamf4ec", Unsupported("atm", "oamf4ec", Span(0, 7))),
        ("lsu", Unsupported("ss7", "lssu", Span(0, 3))),
        ("opc > 5", Unsupported("ss7", "opc", Span(0, 7))),
        ("ruleset foo", Unsupported("pf", "rset", Span(0, 11))),
        ("rulenum 5", Unsupported("pf", "rnr", Span(0, 9))),
        ("reason match", Unsupported("pf", "reason", Span(0, 12))),
        ("action drop", Unsupported("pf", "action", Span(0, 11))),
    ],
)
def test_words_of_one_leaf(text: str, node: object, dialect: Dialect) -> None:
    assert parse(text, dialect=dialect) == node


def test_parentheses_end_the_scope_of_a_tunnel() -> None:
    tunnel = TunnelTest(Tunnel.MPLS, 100, Span(1, 9))
    text = "(mpls 100) and ip"
    grouped = parse(text)
    assert isinstance(grouped, Chain)
    assert grouped.first == Chain(tunnel, (), Span(0, 10))
    flat = parse(text, dialect=Dialect.PCAP)  # there, they mean nothing
    assert isinstance(flat, Chain)
    assert flat.first == tunnel


@pytest.mark.parametrize("text", ["not not mpls and ip", "not (not mpls) and ip"])
def test_two_negations_end_the_scope_of_a_tunnel(text: str) -> None:
    expr = parse(text)
    assert isinstance(expr, Chain)
    assert isinstance(expr.first, Chain)
    assert isinstance(expr.first.first, TunnelTest)


def test_nested_parentheses_of_identifiers() -> None:
    text = "port ((80 or 443) and 22)"
    expr = parse(text)
    assert expr is not None
    assert spell(expr) == "((port 80 or port 443) and port 22)"
    with pytest.raises(ExpressionError):  # pcap-filter's grammar has it so
        parse(text, dialect=Dialect.PCAP)


def test_a_keyword_after_proto_needs_no_backslash_in_the_default_dialect() -> None:
    expr = parse("ip proto tcp")
    assert isinstance(expr, Primitive)
    assert expr.ident == Name("tcp", False, Span(9, 12))
    with pytest.raises(ExpressionError):
        parse("ip proto tcp", dialect=Dialect.PCAP)


DEEP = {
    "parentheses": "(" * 10_000 + "tcp" + ")" * 10_000,
    "not": "not " * 10_000 + "tcp",
    "not (": "not (" * 10_000 + "tcp" + ")" * 10_000,
    "and (": "tcp and (" * 5_000 + "udp" + ")" * 5_000,
    "sum": "1+" * 10_000 + "1=1",
    "minus": "-" * 10_000 + "1=1",
    "index": "tcp[" * 10_000 + "1" + "]" * 10_000 + "=1",
    "values": "(" * 10_000 + "1" + ")" * 10_000 + "=1",
    "identifiers": "port " + "(" * 10_000 + "80" + ")" * 10_000,
    "or": "port 1" + " or 2" * 10_000,
    "vlan": "vlan " + "(" * 10_000 + "5" + ")" * 10_000,
    "inner": "inner (" * 5_000 + "tcp" + ")" * 5_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_depth_costs_no_recursion(text: str) -> None:
    assert parse(text) is not None
    with pytest.raises(ExpressionError):
        parse(text[:-1] + "(")


def test_keywords_stand_alone() -> None:
    for proto in Proto:
        assert parse(proto.value, dialect=Dialect.PCAP) == Keyword(proto, Span(0, len(proto.value)))
