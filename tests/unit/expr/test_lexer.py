"""The lexer: pcap-filter's longest match, and nothing that makes it fail."""

from __future__ import annotations

import pytest

from netbpf.expr.lexer import read_number, tokenize
from netbpf.expr.nodes import Dialect, Proto
from netbpf.expr.tokens import T


def kinds(text: str, dialect: Dialect = Dialect.NETBPF) -> list[tuple[str, str]]:
    return [(token.kind.name, token.text) for token in [*tokenize(text, dialect)][:-1]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tcp", T.PROTO),
        ("TCP", T.NAME),  # words are case-sensitive
        ("tcp-foo", T.NAME),
        ("tcp-syn", T.NUMBER),
        ("80-90", T.NAME),
        ("80", T.NUMBER),
        ("0x1F", T.NUMBER),
        ("0x", T.NAME),
        ("0xfg", T.NAME),
        ("1e5", T.NAME),
        ("10.1", T.DOTTED),
        ("10.1.2.3", T.DOTTED),
        ("0x10.1", T.DOTTED),
        ("10.1.2.3.4", T.NAME),
        ("10.1.2.3a", T.NAME),
        ("1.2.3.4.5.6", T.MAC),
        ("1-2-3-4-5-6", T.MAC),
        ("a:b:c:d:e:f", T.MAC),
        ("00:11:22:33:44:55", T.MAC),
        ("0011.2233.4455", T.MAC),
        ("001122334455", T.MAC),
        ("deadbeefcafe", T.MAC),
        ("::", T.IPV6),
        ("::1", T.IPV6),
        ("fe80::1:2", T.IPV6),
        ("1:2:3:4:5:6:7:8", T.IPV6),
        ("1:2:3:4:5:6:7::", T.IPV6),
        ("::ffff:10.0.0.1", T.IPV6),
        ("1:2:3:4:5:6:10.0.0.1", T.IPV6),
        ("$1f", T.ARCNET),
        (r"\tcp", T.ESCAPED),
        (r"\a[b:c", T.ESCAPED),
        ('"GET "', T.STRING),
        (r'"a\"b"', T.STRING),
        ("a.b.", T.NAME),
        ("&&", T.AND),
        ("||", T.OR),
        ("!", T.NOT),
        ("!=", T.RELATION),
        ("==", T.RELATION),
        (">>", T.ARITH),
    ],
)
def test_one_token(text: str, kind: T) -> None:
    token, end = tokenize(text, Dialect.NETBPF)
    assert (token.kind, token.text, token.start, token.end) == (kind, text, 0, len(text))
    assert (end.kind, end.start) == (T.END, len(text))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("tcp[0:4]", ["tcp", "[", "0", ":", "4", "]"]),
        ("tcp[tcpflags:1]", ["tcp", "[", "tcpflags", ":", "1", "]"]),
        ("ip[a:2]", ["ip", "[", "a", ":", "2", "]"]),
        ("10.0.0.0/8", ["10.0.0.0", "/", "8"]),
        ("a-", ["a", "-"]),  # a name does not end in a hyphen
        ("a&&b||!c", ["a", "&&", "b", "||", "!", "c"]),
        ("1<<2", ["1", "<<", "2"]),
        ("::1or", ["::1", "or"]),
        ("aa:bb:cc:dd:ee:ffand", ["aa:bb:cc:dd:ee:ff", "and"]),
        ("\ttcp\r\n port", ["tcp", "port"]),
        ("{80,443}", ["{", "80", ",", "443", "}"]),
        (r"{\a,\b}", ["{", r"\a", ",", r"\b", "}"]),
        ("syn,!ack", ["syn", ",", "!", "ack"]),
    ],
)
def test_splitting(text: str, tokens: list[str]) -> None:
    assert [text for _, text in kinds(text)] == tokens


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1:2:3:4:5:6:7", "invalid Ethernet address 1:2:3:4:5:6:7"),
        ("ab:cd:ef:0g:00:00", "invalid Ethernet address ab:cd:ef:0g:00:00"),
        ("4294967296", "decimal number 4294967296 overflows 32 bits"),
        ("0x100000000", "hexadecimal number 0x100000000 overflows 32 bits"),
        ("0040000000000", "octal number 0040000000000 overflows 32 bits"),
        ("089", "number 089 contains non-octal digit"),
        ("\0", "unexpected character 0x00"),
        ("é", "unexpected 'é'"),
        ("\ud800", "unexpected character 0xd800"),
        ("\\ ", "a backslash without a name"),
        ('"abc', "a string without its closing quote"),
        ("_", "unexpected '_'"),
    ],
)
def test_bad(text: str, complaint: str) -> None:
    token = [*tokenize(text, Dialect.NETBPF)][-1]
    assert (token.kind, token.fact) == (T.BAD, complaint)


@pytest.mark.parametrize("text", ["{", "}", ",", "@", '"a"'])
def test_extensions_are_not_in_the_pcap_dialect(text: str) -> None:
    assert [*tokenize(text, Dialect.PCAP)][-1].kind is T.BAD


def test_the_octal_number_of_twelve_digits_is_an_ethernet_address() -> None:
    assert kinds("012345670123") == [("MAC", "012345670123")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("10", 10),
        ("010", 8),
        ("0x10", 16),
        ("0X1f", 31),
        ("4294967295", 0xFFFFFFFF),
        ("037777777777", 0xFFFFFFFF),
        ("0x0000000000000001", 1),
        ("foo", None),
        ("", None),
    ],
)
def test_numbers(text: str, value: int | None) -> None:
    assert read_number(text) == value


def test_facts() -> None:
    tokens = [*tokenize("ether es-is tcp-syn icmp6-redirect", Dialect.PCAP)]
    assert [token.fact for token in tokens] == [Proto.LINK, Proto.ESIS, 2, 137, None]


@pytest.mark.parametrize(
    "text",
    ["a" + "-" * 65535, "1:" * 32768, "a." * 32768, "::" * 32768, '"' * 65536, "\\" * 65536],
    ids=lambda text: text[:4],
)
def test_long_runs_take_linear_time(text: str) -> None:
    list(tokenize(text, Dialect.NETBPF))
