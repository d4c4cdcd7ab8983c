r"""Parse what qualifiers qualify: addresses, prefixes, numbers, names, sets.

    identifier  = NUMBER | NAME | '\' NAME | ETHERNET | '$' HEX
                | DOTTED [ '/' NUMBER | 'mask' DOTTED ]
                | IPV6 [ '/' NUMBER ]
    set         = 'in' ( '@' NAME | '{' identifier { ',' identifier } '}' )     (default dialect)

An address must be one, and a prefix must have no bits beyond its length; both are looked at here,
whatever the link type. Neighbours: cursor, addresses; the parser and `elements` call this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netbpf.errors import Span
from netbpf.expr.addresses import parse_dotted, parse_ipv6, parse_mac
from netbpf.expr.cursor import Cursor
from netbpf.expr.nodes import (
    AddressSet,
    ArcnetAddress,
    Identifier,
    IPv4,
    IPv6,
    Kind,
    Mac,
    Name,
    NamedSet,
    Number,
    Proto,
    Qualifiers,
    RelOp,
)
from netbpf.expr.runs import read_set
from netbpf.expr.tokens import T, Token
from netbpf.expr.words import KEYWORDS
from netbpf.ir.program import AluOp

STARTS: Final = frozenset(
    {T.NUMBER, T.NAME, T.ESCAPED, T.DOTTED, T.IPV6, T.MAC, T.ARCNET}
)  # the tokens that an identifier can begin with

_WANTED: Final[Mapping[Kind | None, str]] = {
    None: "a host",
    Kind.HOST: "a host",
    Kind.NET: "a network",
    Kind.PORT: "a port",
    Kind.PORTRANGE: "a range of ports",
    Kind.PROTO: "a protocol",
    Kind.PROTOCHAIN: "a protocol",
    Kind.GATEWAY: "a gateway's name",
}

_NOT_ADDRESSES: Final = frozenset({Kind.PORT, Kind.PORTRANGE, Kind.PROTO, Kind.PROTOCHAIN})


def parse_identifier(cursor: Cursor, quals: Qualifiers) -> Identifier:
    """Parse one identifier for these qualifiers."""
    token = cursor.token
    match token.kind:
        case T.NUMBER:
            cursor.advance()
            assert isinstance(token.fact, int)
            return Number(token.fact, token.span)
        case T.NAME:
            cursor.advance()
            return Name(token.text, False, token.span)
        case T.ESCAPED:
            cursor.advance()
            return Name(str(token.fact), True, token.span)
        case T.DOTTED:
            return _dotted(cursor, quals)
        case T.IPV6:
            return _ipv6(cursor, quals)
        case T.MAC:
            cursor.advance()
            return Mac(_valid(cursor, token, parse_mac(token.text), "Ethernet"), token.span)
        case T.ARCNET:
            cursor.advance()
            return ArcnetAddress(int(token.text[1:], 16), token.span)
    if cursor.extended and quals.kind in (Kind.PROTO, Kind.PROTOCHAIN) and token.text in KEYWORDS:
        cursor.advance()  # `ip proto tcp` needs no backslash in this dialect
        return Name(token.text, False, token.span)
    raise cursor.expected(_WANTED[quals.kind], hint=_hint(cursor, quals))


def _hint(cursor: Cursor, quals: Qualifiers) -> str:
    token, following = cursor.token, cursor.peek()
    if quals.kind is Kind.PORT and token.kind is T.RELATION and isinstance(following.fact, int):
        return _port_comparison(token, following.fact)
    if token.text in KEYWORDS and token.text.isalnum():
        return f"a keyword; for a name of this spelling write '\\{token.text}'"
    return ""


def _port_comparison(token: Token, port: int) -> str:
    """Say `port > 1024` as a range."""
    ranges = {
        RelOp.GT: (port + 1, 65535),
        RelOp.GE: (port, 65535),
        RelOp.LT: (0, port - 1),
        RelOp.LE: (0, port),
    }
    if not isinstance(token.fact, RelOp) or token.fact not in ranges:
        return f"did you mean 'port {port}'?"
    low, high = ranges[token.fact]
    return f"did you mean 'portrange {low}-{high}'?"


def parse_set(cursor: Cursor, quals: Qualifiers) -> AddressSet | NamedSet:
    """Parse what follows qualifiers from `in` on."""
    start = cursor.advance().start
    if cursor.accept(T.AT):
        name = cursor.expect(T.NAME, "the name of a set")
        return NamedSet(name.text, Span(start, name.end))
    opening = cursor.expect(T.OPEN_SET, "'{' or '@NAME'")
    listing = read_set(cursor, quals)
    if listing is not None:
        return AddressSet(listing, Span(start, cursor.advance().end))
    elements: list[Identifier] = []
    while cursor.token.kind is not T.CLOSE_SET:
        if elements:
            cursor.expect(T.COMMA, "',' or '}'")
        elements.append(parse_identifier(cursor, quals))
    closing = cursor.advance()
    if not elements:
        raise cursor.error("the set is empty", Span(opening.start, closing.end))
    return AddressSet(tuple(elements), Span(start, closing.end))


def _dotted(cursor: Cursor, quals: Qualifiers) -> IPv4:
    token = cursor.advance()
    if _accept_slash(cursor):
        length = cursor.expect(T.NUMBER, "a prefix length")
        _refuse_address(cursor, quals, token, "IPv4 address and prefix length")
        assert isinstance(length.fact, int)
        return _prefix(cursor, quals, token, length, length.fact)
    if cursor.accept(T.MASK):
        mask = cursor.expect(T.DOTTED, "a network mask")
        _refuse_address(cursor, quals, token, "IPv4 address and netmask")
        return _masked(cursor, quals, token, mask)
    _refuse_address(cursor, quals, token, "IPv4 address")
    value, bits = _address(cursor, quals, token)
    return IPv4(token.text, value, bits, token.span)


def _prefix(cursor: Cursor, quals: Qualifiers, token: Token, end: Token, length: int) -> IPv4:
    value, bits = _address(cursor, quals, token)
    span = Span(token.start, end.end)
    if quals.proto is not Proto.DECNET:
        if length == bits == 32 and cursor.extended:
            return IPv4(token.text, value, bits, span)  # one host, whatever the kind
        if length > 32:
            message = f"netmask length {length} greater than maximum 32"
            raise cursor.error(message, end.span)
        mask = 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF
        _check_prefix(cursor, quals, span, value << (32 - bits), mask, f"{token.text}/{length}")
    return IPv4(token.text, value, bits, span, length=length)


def _masked(cursor: Cursor, quals: Qualifiers, token: Token, end: Token) -> IPv4:
    value, bits = _address(cursor, quals, token)
    mask, mask_bits = _address(cursor, quals, end)
    span = Span(token.start, end.end)
    if quals.proto is not Proto.DECNET:
        shown = f"{token.text} mask {end.text}"
        _check_prefix(cursor, quals, span, value << (32 - bits), mask << (32 - mask_bits), shown)
    return IPv4(token.text, value, bits, span, mask=mask, mask_bits=mask_bits)


def _check_prefix(
    cursor: Cursor, quals: Qualifiers, span: Span, value: int, mask: int, shown: str
) -> None:
    """Refuse host bits in a network, and a network where a host must be."""
    if value & ~mask:
        network = ".".join(map(str, (value & mask).to_bytes(4, "big")))
        length = mask.bit_count()
        hint = f"did you mean '{network}/{length}'?" if "/" in shown else ""
        raise cursor.error(f'non-network bits set in "{shown}"', span, hint=hint)
    if quals.kind in (None, Kind.HOST):
        hint = f"did you mean 'net {shown}'?"
        raise cursor.error(f"'host' is not a valid qualifier for '{shown}'", span, hint=hint)


def _address(cursor: Cursor, quals: Qualifiers, token: Token) -> tuple[int, int]:
    """Read a dotted number. DECnet's area.node is left to the lowering, as text."""
    if quals.proto is Proto.DECNET:
        return 0, 0
    dotted = parse_dotted(token.text)
    if dotted is None:
        raise cursor.error(f"invalid IPv4 address '{token.text}'", token.span)
    return dotted


def _ipv6(cursor: Cursor, quals: Qualifiers) -> IPv6:
    token = cursor.advance()
    value = _valid(cursor, token, parse_ipv6(token.text), "IPv6")
    if not _accept_slash(cursor):
        _refuse_address(cursor, quals, token, "IPv6 address")
        return IPv6(token.text, value, token.span)
    end = cursor.expect(T.NUMBER, "a prefix length")
    _refuse_address(cursor, quals, token, "IPv6 address and prefix length")
    length = end.fact
    assert isinstance(length, int)
    if length > 128:
        raise cursor.error("mask length must be <= 128", end.span)
    span = Span(token.start, end.end)
    if value & ((1 << (128 - length)) - 1):
        hint = f"did you mean '{_network6(value, length)}'?"
        raise cursor.error(f'non-network bits set in "{token.text}/{length}"', span, hint=hint)
    if length < 128 and quals.kind in (None, Kind.HOST):
        shown = f"{token.text}/{length}"
        hint = f"did you mean 'net {shown}'?"
        raise cursor.error(f"'host' is not a valid qualifier for '{shown}'", span, hint=hint)
    return IPv6(token.text, value, span, length=length)


def _network6(value: int, length: int) -> str:
    from ipaddress import IPv6Network

    return str(IPv6Network((value, length), strict=False))


def _accept_slash(cursor: Cursor) -> bool:
    if cursor.token.kind is T.ARITH and cursor.token.fact is AluOp.DIV:
        cursor.advance()
        return True
    return False


def _refuse_address(cursor: Cursor, quals: Qualifiers, token: Token, what: str) -> None:
    if quals.kind in _NOT_ADDRESSES:
        assert quals.kind is not None
        message = f"'{quals.kind.value}' qualifier applied to {what}"
        raise cursor.error(message, token.span)


def _valid(cursor: Cursor, token: Token, value: int | None, family: str) -> int:
    if value is None:
        raise cursor.error(f"invalid {family} address {token.text}", token.span)
    return value
