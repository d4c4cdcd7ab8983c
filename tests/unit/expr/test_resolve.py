"""Names to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from netbpf.compiler import Options, to_ir
from netbpf.errors import ExpressionError, Span
from netbpf.expr.elements import parse_elements
from netbpf.expr.names import NoNames, Resolver
from netbpf.expr.nodes import (
    AddressSet,
    Chain,
    Dialect,
    EtherName,
    Expr,
    HostAddresses,
    Identifier,
    IfIndex,
    IfName,
    Inner,
    IPv4,
    Kind,
    Mac,
    NetworkName,
    Not,
    Number,
    PortRange,
    Primitive,
    Proto,
    ProtoNumber,
    TunnelTest,
)
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.proto.linktype import LinkType
from tests.support.names import FakeResolver


def resolved(
    text: str,
    dialect: Dialect = Dialect.NETBPF,
    resolver: Resolver | None = None,
    sets: Mapping[str, Sequence[Identifier]] | None = None,
) -> Expr | None:
    return resolve(
        parse(text, dialect=dialect),
        text=text,
        dialect=dialect,
        linktype=LinkType.EN10MB,
        resolver=resolver or FakeResolver(),
        sets=sets or {},
    )


def ident(text: str, dialect: Dialect = Dialect.NETBPF) -> Identifier:
    expr = resolved(text, dialect)
    assert isinstance(expr, Primitive)
    return expr.ident


def ports(text: str, dialect: Dialect = Dialect.NETBPF) -> tuple[int, int, Proto | None]:
    found = ident(text, dialect)
    assert isinstance(found, PortRange)
    return found.low, found.high, found.proto


BOTH = pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)


def test_nothing() -> None:
    assert resolved("") is None


@BOTH
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host four", HostAddresses("four", (0x0A000001,), (), Span(5, 9))),
        ("src both", HostAddresses("both", (0x0A000001, 0x0A000002), (1, 2), Span(4, 8))),
        ("ip6 host six", HostAddresses("six", (), (1,), Span(9, 12))),
        ("ether host both", EtherName("both", 0x020000000001, Span(11, 15))),
        ("net ten", NetworkName("ten", 10, Span(4, 7))),
        (
            "gateway both",
            HostAddresses("both", (0x0A000001, 0x0A000002), (1, 2), Span(8, 12), 0x020000000001),
        ),
        ("proto \\tcp", ProtoNumber("tcp", 6, Span(6, 10))),  # before the system's word for it
        ("ip proto ospf", ProtoNumber("ospf", 89, Span(9, 13))),
        ("ip6 protochain \\icmp6", ProtoNumber("icmp6", 58, Span(15, 21))),
        ("proto \\carp", ProtoNumber("carp", 112, Span(6, 11))),
        ("ether proto \\ip6", ProtoNumber("ip6", 0x86DD, Span(12, 16))),
        ("ether proto \\stp", ProtoNumber("stp", 0x42, Span(12, 16))),
        ("ether proto slow", ProtoNumber("slow", 0x8809, Span(12, 16))),
        ("iso proto \\clnp", ProtoNumber("clnp", 0x81, Span(10, 15))),
        ("port 80", Number(80, Span(5, 7))),
    ],
)
def test_names(text: str, expected: Identifier, dialect: Dialect) -> None:
    assert ident(text, dialect) == expected


@BOTH
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port http", (80, 80, Proto.TCP)),
        ("tcp port http", (80, 80, None)),
        ("port domain", (53, 53, None)),
        ("udp port domain", (53, 53, None)),
        ("port ntp", (123, 123, Proto.UDP)),
        ("port split", (1, 1, Proto.TCP)),
        ("port ftp-data", (20, 20, Proto.TCP)),
        ("port \\80", (80, 80, None)),
        ("portrange 80-90", (80, 90, None)),
        ("portrange 90-80", (80, 90, None)),
        ("portrange 0x10-020", (16, 16, None)),
        ("portrange 08-09", (8, 9, None)),  # no octal numbers, so decimal ones
        ("portrange 25-http", (25, 80, None)),
        ("portrange http-http", (80, 80, Proto.TCP)),
        ("portrange http-domain", (53, 80, None)),
        ("udp portrange domain-ntp", (53, 123, None)),
    ],
)
def test_ports(text: str, expected: tuple[int, int, Proto | None], dialect: Dialect) -> None:
    low, high, proto = ports(text, dialect)
    assert (low, high) == expected[:2]
    if not text.startswith(("tcp", "udp")):  # else the qualifier says it
        assert proto is expected[2]


def test_the_default_dialect_asks_for_the_transport_that_is_meant() -> None:
    assert ports("udp port split")[:2] == (2, 2)
    with pytest.raises(ExpressionError, match="port 'split' is tcp"):
        ident("udp port split", Dialect.PCAP)
    assert ports("sctp port diameter")[:2] == (3868, 3868)
    with pytest.raises(ExpressionError, match="unknown port 'diameter'"):
        ident("sctp port diameter", Dialect.PCAP)
    assert ports("portrange ftp-data-http") == (20, 80, Proto.TCP)
    with pytest.raises(ExpressionError, match="more than one hyphen"):
        ident("portrange ftp-data-http", Dialect.PCAP)


ERRORS = r"""
unknown host 'nobody'
    tcp and src host nobody
                     ^^^^^^

unknown host 'prot'
    src prot
        ^^^^ did you mean 'port'?

unknown port 'htpp'
    port htpp
         ^^^^ did you mean 'http'?

unknown port '80-90'
    port 80-90
         ^^^^^ did you mean 'portrange 80-90'?

'aarp' is not a valid qualifier for 'port'
    aarp port nosuchport
              ^^^^^^^^^^

'ip' is not a valid qualifier for 'portrange'
    ip portrange a-b
                 ^^^

port 'http' is tcp
    udp port http
             ^^^^ write its number to have it for any protocol

port in range 'http-http' is tcp
    sctp portrange http-http
                   ^^^^^^^^^ write its number to have it for any protocol

port range 'http' contains no hyphen
    portrange http
              ^^^^ did you mean 'port http'?

port range '80-90-100' contains more than one hyphen
    portrange 80-90-100
              ^^^^^^^^^

port range '80-' has no ending port
    portrange \80-
              ^^^^

port range '-80' has no starting port
    portrange \-80
              ^^^^

'foo' is not a valid port
    portrange foo-80
              ^^^^^^

decimal number 99999999999 overflows 32 bits
    portrange 1-99999999999
              ^^^^^^^^^^^^^

port number 70000 greater than maximum 65535
    tcp portrange 1-70000
                  ^^^^^^^

port number 70000 greater than maximum 65535
    port 70000
         ^^^^^

protocol number 256 greater than maximum 255
    ip protochain 256
                  ^^^

unknown 'proto' value 'nosuchprotocol'
    proto nosuchprotocol
          ^^^^^^^^^^^^^^

unknown 'ip6 protochain' value 'tpc'
    ip6 protochain tpc
                   ^^^ did you mean 'tcp'?

unknown 'link proto' value 'tcp'
    ether proto \tcp
                ^^^^ 'tcp' is an IP protocol: ip proto \tcp

unknown 'ip proto' value 'arp'
    ip proto \arp
             ^^^^ 'arp' is a link-layer protocol: ether proto \arp

unknown 'arp proto' value 'foo'
    arp proto foo
              ^^^

unknown network 'zero'
    net zero
        ^^^^ names of networks are those of /etc/networks

unknown Ethernet-level host name 'four'
    gateway four
            ^^^^ names of Ethernet addresses are those of /etc/ethers

'decnet' is not a valid qualifier for 'host'
    decnet host foo
                ^^^

VLAN tag 4096 greater than maximum 4095
    ip and vlan 4096
           ^^^^^^^^^

MPLS label 1048576 greater than maximum 1048575
    mpls 1048576
    ^^^^^^^^^^^^

PPPoE session number 65536 greater than maximum 65535
    pppoes 65536
    ^^^^^^^^^^^^

Geneve VNI 16777216 greater than maximum 16777215
    geneve 16777216
    ^^^^^^^^^^^^^^^

VXLAN VNI 16777216 greater than maximum 16777215
    vxlan 16777216
    ^^^^^^^^^^^^^^

byte argument 256 greater than maximum 255
    byte 1 < 256
    ^^^^^^^^^^^^
"""

DEFAULT_DIALECT_ERRORS = r"""
unknown interface 'eth7'
    ifname eth7
    ^^^^^^^^^^^

there is no set 'blocklits'
    src net in @blocklits
            ^^^^^^^^^^^^^ did you mean 'blocklist'?

'10.0.0.0/8' of set 'blocklist' is not a host's address
    src in @blocklist
        ^^^^^^^^^^^^^ for networks write 'net in'

'10.0.0.0/8' of set 'blocklist' is not a port
    port in @blocklist
         ^^^^^^^^^^^^^

'10.0.0.0/8' of set 'blocklist' is not an Ethernet address
    ether host in @blocklist
               ^^^^^^^^^^^^^ for networks write 'net in'

'10.0.0.0/8' of set 'blocklist' is not a VLAN number
    vlan in @blocklist
    ^^^^^^^^^^^^^^^^^^

unknown port 'nosuch'
    port in {80, nosuch}
                 ^^^^^^

port number 70000 greater than maximum 65535
    port in {80, 70000}
                 ^^^^^

port number 65536 greater than maximum 65535
    port in {80-65536}
             ^^^^^^^^

VLAN tag 5000 greater than maximum 4095
    vlan in {10, 100-5000}
    ^^^^^^^^^^^^^^^^^^^^^^

port number 65536 greater than maximum 65535
    vxlan port 65536
    ^^^^^^^^^^^^^^^^

'gateway' takes no set
    gateway in {both}
            ^^^^^^^^^
"""


def cases(text: str) -> list[str]:
    return [case.strip("\n") for case in text.split("\n\n")]


def check(rendered: str, dialect: Dialect) -> None:
    text = rendered.splitlines()[1].removeprefix("    ")
    with pytest.raises(ExpressionError) as caught:
        resolved(text, dialect, sets={"blocklist": parse_elements("10.0.0.0/8")})
    assert caught.value.render() == rendered


@BOTH
@pytest.mark.parametrize("rendered", cases(ERRORS))
def test_errors(rendered: str, dialect: Dialect) -> None:
    check(rendered, dialect)


@pytest.mark.parametrize("rendered", cases(DEFAULT_DIALECT_ERRORS))
def test_errors_of_the_default_dialect(rendered: str) -> None:
    check(rendered, Dialect.NETBPF)


@pytest.mark.parametrize(
    "text", ["port http", "host four", "portrange http-90", "ether host both", "ifname eth0"]
)
def test_names_off(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        resolved(text, resolver=NoNames())
    assert caught.value.hint == "name look-ups are off"


@pytest.mark.parametrize("text", ["ip proto tcp", "ether proto \\arp", "port 80", "host 1.2.3.4"])
def test_protocols_are_known_with_names_off(text: str) -> None:
    assert resolved(text, resolver=NoNames()) is not None


def test_interfaces() -> None:
    assert resolved("ifname eth0") == IfIndex(2, Span(0, 11))
    assert resolved("ifname eth0", Dialect.PCAP) == IfName("eth0", Span(0, 11))


def test_the_whole_tree_is_rewritten() -> None:
    text = "not port http or (inner (port domain or 80) and src four) or tcp"
    expr = resolved(text)
    assert isinstance(expr, Chain)
    assert isinstance(expr.first, Not)
    assert isinstance(expr.first.operand, Primitive)
    assert isinstance(expr.first.operand.ident, PortRange)
    group = expr.rest[0][1]
    assert isinstance(group, Chain)
    inner = group.first
    assert isinstance(inner, Inner)
    assert isinstance(inner.expr, Chain)
    assert isinstance(inner.expr.first, Primitive)
    assert isinstance(inner.expr.first.ident, PortRange)


def test_what_needs_no_resolving_stays_the_same_object() -> None:
    text = "not tcp or (udp and port 80)"
    expr = parse(text)
    found = resolve(
        expr,
        text=text,
        dialect=Dialect.NETBPF,
        linktype=LinkType.EN10MB,
        resolver=NoNames(),
        sets={},
    )
    assert found is expr


def test_a_host_is_looked_up_once() -> None:
    resolver = FakeResolver()
    resolved("src host four or dst host four or host both", resolver=resolver)
    assert resolver.asked == ["four", "both"]


def test_the_first_error_of_the_text_is_reported() -> None:
    with pytest.raises(ExpressionError, match="'one'"):
        resolved("(host one or host two) and not host three")


# -- sets --------------------------------------------------------------------------------------


def elements(text: str, sets: Mapping[str, Sequence[Identifier]] | None = None) -> AddressSet:
    expr = resolved(text, sets=sets)
    assert isinstance(expr, Primitive)
    assert isinstance(expr.ident, AddressSet)
    return expr.ident


def test_a_set_of_ports() -> None:
    found = elements("tcp port in {80, http, ftp-data, 100-90, http-90, 0x10}")
    shown = [
        (one.low, one.high) if isinstance(one, PortRange) else getattr(one, "value", None)
        for one in found.elements
    ]
    assert shown == [80, (80, 80), (20, 20), (90, 100), (80, 90), 16]


def test_a_set_of_hosts() -> None:
    found = elements("host in {1.2.3.4, both, ::1, 16909060, 10.0.0.1/32}")
    kinds = [type(one).__name__ for one in found.elements]
    assert kinds == ["IPv4", "HostAddresses", "IPv6", "IPv4", "IPv4"]
    assert found.elements[3] == IPv4("16909060", 0x01020304, 32, Span(29, 37))


def test_a_set_of_networks() -> None:
    found = elements("net in {10.0.0.0/8, 10, 2561, 192.168, ten}")
    assert [getattr(one, "bits", None) for one in found.elements] == [32, 8, 16, 16, None]


def test_a_set_of_ethernet_addresses_and_protocols() -> None:
    found = elements("ether host in {1:2:3:4:5:6, both}")
    assert isinstance(found.elements[0], Mac)
    assert isinstance(found.elements[1], EtherName)
    protocols = elements("ip proto in {tcp, 17, \\icmp}")
    assert [getattr(one, "value", None) for one in protocols.elements] == [6, 17, 1]


def test_elements_of_a_file_stand_at_the_name_of_the_set() -> None:
    file = parse_elements("four # a name\n1.2.3.4\n5\n")
    found = elements("tcp and src in @list".removeprefix("tcp and "), {"list": file})
    assert found.span == Span(4, 12)
    host, address, number = found.elements
    assert host == HostAddresses("four", (0x0A000001,), (), Span(4, 12))
    assert address == IPv4("1.2.3.4", 0x01020304, 32, Span(0, 0))
    assert number == IPv4("5", 5, 32, Span(4, 12))


def test_vlans_of_a_file() -> None:
    expr = resolved("vlan in @trunk", sets={"trunk": parse_elements("30\n10-12\n")})
    assert isinstance(expr, TunnelTest)
    assert expr.members == ((10, 12), (30, 30))
    with pytest.raises(ExpressionError, match="set 'trunk' is empty"):
        resolved("vlan in @trunk", sets={"trunk": ()})


@pytest.mark.parametrize("kind", Kind, ids=str)
def test_no_kind_of_set_is_forgotten(kind: Kind) -> None:
    text = f"{kind.value} in @list"
    spans = set()
    for element in ("1.2.3.4", "10.0.0.0/8", "::1", "1:2:3:4:5:6", "80", "four", "80-90", "tcp"):
        try:
            resolved(text, sets={"list": parse_elements(element)})
        except ExpressionError as error:
            spans.add(error.span)
    assert spans == {Span(len(kind.value) + 1, len(text))}


DEEP = {
    "not (": "not (tcp and " * 5_000 + "port http" + ")" * 5_000,
    "or": "port http" + " or http" * 5_000,
    "inner": "inner (" * 5_000 + "port http" + ")" * 5_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_depth_costs_no_recursion(text: str) -> None:
    assert resolved(text) is not None


@pytest.mark.parametrize(
    "text", ["src net in @empty", "host in @empty", "tcp port in @empty", "ip proto in @empty",
             "ether host in @empty"],
)  # fmt: skip
def test_an_empty_file_is_a_set_that_holds_nothing(text: str) -> None:
    lowered = to_ir(text, Options(sets={"empty": parse_elements("# nobody yet\n")}))
    assert lowered.warnings == ("the expression rejects all packets",)
    assert to_ir(f"not {text}", Options(sets={"empty": ()})).warnings == ()
