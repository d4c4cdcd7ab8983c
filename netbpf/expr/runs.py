"""Recognise long lists in an expression's text, before there is a token for each word of them.

    port 1 or port 2 or 3 …      alternatives with the same qualifiers, spelt alike or left out
    in {10.0.0.0/8, 10.1.2.3 …}  a set whose elements are all plain

What is not of this form to the letter is left to the parser, as are lists that are not long.
Depends on cursor and listing. Neighbours: the parser and identifiers ask here.
"""

from __future__ import annotations

import re
from typing import Final

from netbpf.errors import Span
from netbpf.expr.cursor import Cursor
from netbpf.expr.listing import (
    ADDRESS,
    LONG,
    NETWORK,
    PORT,
    Listing,
    read_networks,
    read_ports,
)
from netbpf.expr.nodes import Direction, IPv4, Kind, Number, Primitive, Proto, Qualifiers

_W: Final = r"[ \r\n\t]"
_SHORTEST: Final = LONG * len("1,")  # characters; less text holds no long list

_PORT_PROTOCOLS: Final = (None, Proto.TCP, Proto.UDP, Proto.SCTP)
_ADDRESS_PROTOCOLS: Final = (None, Proto.IP, Proto.ARP, Proto.RARP)


def read_set(cursor: Cursor, quals: Qualifiers) -> Listing | None:
    """Read all elements of a set, from its first one on; the cursor is then at its end."""
    element = _element(quals) if _is_long(cursor) else ""
    if not element:
        return None
    pattern = rf"{element}(?:{_W}*,{_W}*{element})*{_W}*(?=\}})"
    return _read(cursor, pattern, element, "")


def read_alternatives(cursor: Cursor, last: Primitive) -> Listing | None:
    """Read a primitive's alternatives, from the `or` after it on; the list begins with itself.

    The words before its identifier may stand before each of the others, too.
    """
    element = _element(last.quals) if _is_long(cursor) else ""
    ident = last.ident
    if not element or last.quals.direction is Direction.AND:
        return None
    own = cursor.text[ident.span.start : ident.span.end]
    if not (isinstance(ident, IPv4 | Number) and re.fullmatch(element, own)):
        return None
    head = cursor.text[last.span.start : ident.span.start].split()
    words = "".join(re.escape(word) + _W + "+" for word in head)
    end = rf"(?:{_W}+(?=or{_W}|and{_W})|{_W}*(?=\)|\Z))"  # what can follow a number that is a term
    return _read(cursor, rf"(?:or{_W}+(?:{words})?{element}{end})+", element, own)


def _is_long(cursor: Cursor) -> bool:
    return len(cursor.text) - cursor.token.start >= _SHORTEST and cursor.token.start >= cursor.tried


def _element(quals: Qualifiers) -> str:
    """Return the pattern of plain identifiers for these qualifiers; '' if there are none."""
    if quals.kind is Kind.PORT and quals.proto in _PORT_PROTOCOLS:
        return PORT
    if quals.proto in _ADDRESS_PROTOCOLS:
        if quals.kind is Kind.NET:
            return NETWORK
        if quals.kind in (None, Kind.HOST):
            return ADDRESS
    return ""


def _read(cursor: Cursor, pattern: str, element: str, first: str) -> Listing | None:
    """Read a list of this form at the cursor's token, and step over it if it is long."""
    start = cursor.token.start
    found = re.compile(pattern).match(cursor.text, start)
    if found is None:
        return None
    cursor.tried = found.end()  # so that no part of it is looked at again
    words = re.compile(element).findall(found.group())
    if first:
        words.insert(0, first)
    if len(words) < LONG:
        return None
    read = read_ports if element is PORT else read_networks
    listing = read(words, Span(start, found.end()))
    if listing is not None:
        cursor.skip(found.end())
    return listing
