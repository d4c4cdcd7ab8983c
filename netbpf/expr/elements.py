"""The elements of sets: from the text of a set file, and whether they suit a primitive.

A set file has one element a line: an address, a prefix, an Ethernet address, a port, a range of
ports, a number, or a name. `#` begins a comment. Depends on identifiers, lexer, nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netbpf.errors import ExpressionError, InputError, Span
from netbpf.expr.addresses import parse_ipv6
from netbpf.expr.cursor import Cursor
from netbpf.expr.identifiers import parse_identifier
from netbpf.expr.listing import Listing, Networks, Ports, read_listing, read_network
from netbpf.expr.nodes import (
    Dialect,
    EtherName,
    HostAddresses,
    Identifier,
    IPv4,
    IPv6,
    Kind,
    Mac,
    Name,
    NetworkName,
    Number,
    PortRange,
    Proto,
    ProtoNumber,
    Qualifiers,
)
from netbpf.expr.tokens import T
from netbpf.expr.words import KEYWORDS
from netbpf.records import replace

_NOWHERE: Final = Span(0, 0)
_LENGTHS: Final = {str(length): length for length in range(129)}
_ANY: Final = Qualifiers(kind=Kind.NET)  # the kind that lets every form of address through

_WANTED: Final[Mapping[Kind | None, str]] = {
    None: "a host's address",
    Kind.HOST: "a host's address",
    Kind.NET: "a network",
    Kind.PORT: "a port",
    Kind.PORTRANGE: "a port",
    Kind.PROTO: "a protocol",
    Kind.PROTOCHAIN: "a protocol",
}


def parse_elements(text: str, *, name: str = "") -> Sequence[Identifier]:
    """Read a set file's text; `name` is the set's, for messages.

    Names stay names, until `resolve` knows what the set is used for. Elements carry the empty span:
    they stand in no expression. Raises InputError, which says the line.
    """
    words = [line.partition("#")[0].strip() for line in text.split("\n")]
    listing = read_listing([word for word in words if word], _NOWHERE)
    if listing is not None:
        return listing
    numbered = ((number, word) for number, word in enumerate(words, 1) if word)
    return tuple(_usual(word) or _element(word, name, number) for number, word in numbered)


def _usual(word: str) -> Identifier | None:
    """Read a plain address, prefix or number without a lexer; None for everything else."""
    address, slash, digits = word.partition("/")
    length = _LENGTHS.get(digits) if slash else None
    if slash and length is None:
        return None
    if ":" in address:
        value6 = parse_ipv6(address)
        if value6 is None or (length is not None and value6 & (1 << (128 - length)) - 1):
            return None
        return IPv6(address, value6, _NOWHERE, length)
    if "." in address:
        return read_network(word, _NOWHERE)
    if not slash and address.isdecimal() and address.isascii() and address[0] != "0":
        return Number(int(address), _NOWHERE) if len(address) < 10 else None
    return None


def _element(word: str, name: str, line: int) -> Identifier:
    cursor = Cursor(word, Dialect.NETBPF)
    try:
        token = cursor.token
        if token.text in KEYWORDS:
            cursor.advance()
            element: Identifier = Name(token.text, False, token.span)
        else:
            element = parse_identifier(cursor, _ANY)
        cursor.expect(T.END, "one element a line")
    except ExpressionError as error:
        where = f"set '{name}', line {line}" if name else f"line {line}"
        raise InputError(f"{where}: {error.message}", remedy=error.hint) from None
    return replace(element, span=_NOWHERE)


def list_fits(quals: Qualifiers, elements: Listing) -> bool:
    """Whether the elements of a list suit these qualifiers as they are."""
    if isinstance(elements, Ports):
        return quals.kind is Kind.PORT
    if quals.proto is Proto.DECNET or not isinstance(elements, Networks):
        return False
    return quals.proto is not Proto.LINK and (
        quals.kind is Kind.NET or (quals.kind in (None, Kind.HOST) and elements.whole)
    )


def fits(quals: Qualifiers, element: Identifier) -> bool:
    """Whether an element that is neither a name nor a number suits these qualifiers."""
    match element:
        case IPv4():
            return _fits_address(quals, element.length is None and element.mask is None)
        case IPv6():
            return _fits_address(quals, element.length in (None, 128))
        case Mac():
            return quals.proto is Proto.LINK and quals.kind in (None, Kind.HOST)
        case HostAddresses() | EtherName() | NetworkName() | PortRange() | ProtoNumber():
            return True  # resolved before
    return False


def _fits_address(quals: Qualifiers, whole: bool) -> bool:
    if quals.proto is Proto.LINK:
        return False
    return quals.kind is Kind.NET or (whole and quals.kind in (None, Kind.HOST))


def wanted(quals: Qualifiers) -> str:
    """Return what a set for these qualifiers is made of."""
    if quals.proto is Proto.LINK and quals.kind in (None, Kind.HOST):
        return "an Ethernet address"
    return _WANTED[quals.kind]


def describe(element: Identifier) -> str:
    """Return an element as the user wrote it."""
    match element:
        case IPv4(text, length=int() as length) | IPv6(text, length=int() as length):
            return f"'{text}/{length}'"
        case IPv4(text) | IPv6(text):
            return f"'{text}'"
        case Mac(value):
            return f"'{value.to_bytes(6, 'big').hex(':')}'"
        case Name(text) | EtherName(text) | HostAddresses(text):
            return f"'{text}'"
    return "an element"
