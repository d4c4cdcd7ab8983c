"""Parse the primitives that hold no other expression.

    primitive = [PROTO] [DIRECTION] [KIND] identifier        qualifiers; the identifiers are the
              | [PROTO] ('proto' | 'protochain' | 'gateway') identifier           parser's business
              | PROTO | [PROTO] ('broadcast' | 'multicast') | ('less' | 'greater') NUMBER
              | 'byte' NUMBER ('&' '|' '<' '>' '=') NUMBER | 'inbound' | 'outbound'
              | 'ifindex' NUMBER | ('ifname' | 'on') NAME | 'llc' [NAME]
              | ('vlan' | 'mpls' | 'pppoes' | 'geneve' | 'vxlan') [NUMBER] | 'pppoed'

A NUMBER after a tunnel may stand in parentheses. Words of other link types are parsed as far as
it takes to refuse them by name. Neighbours: the parser asks here first; extensions adds the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from netbpf.errors import Span
from netbpf.expr import extensions
from netbpf.expr.cursor import Cursor
from netbpf.expr.nodes import (
    Broadcast,
    ByteTest,
    Direction,
    IfIndex,
    IfName,
    Inbound,
    Keyword,
    Kind,
    LengthLimit,
    Llc,
    Multicast,
    Proto,
    Qualifiers,
    RelOp,
    Test,
    Tunnel,
    TunnelTest,
    Unsupported,
)
from netbpf.expr.tokens import T, Token
from netbpf.expr.words import LLC_KINDS, WLAN_DIRECTIONS, WLAN_SUBTYPES, WLAN_TYPES
from netbpf.ir.program import AluOp
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """Qualifiers that wait for their identifier."""

    quals: Qualifiers
    start: int


def parse_primitive(cursor: Cursor) -> Test | Head | None:
    """Parse a primitive or a primitive's qualifiers; None if none begins here."""
    parse = _PARSERS.get(cursor.token.kind)
    if parse is not None:
        return parse(cursor)
    return extensions.parse_primitive(cursor) if cursor.extended else None


# -- qualifiers --------------------------------------------------------------------------------


def _qualified(cursor: Cursor) -> Test | Head:
    start = cursor.token.start
    proto: Proto | None = None
    word = cursor.accept(T.PROTO)
    if word is not None:
        assert isinstance(word.fact, Proto)
        proto = word.fact
    token = cursor.token
    match token.kind:
        case T.DIRECTION:
            return Head(Qualifiers(proto, _direction(cursor), _kind(cursor)), start)
        case T.KIND:
            cursor.advance()
            assert isinstance(token.fact, Kind)
            return Head(Qualifiers(proto, None, token.fact), start)
        case T.BROADCAST:
            cursor.advance()
            return Broadcast(proto, Span(start, token.end))
        case T.MULTICAST:
            cursor.advance()
            return Multicast(proto, Span(start, token.end))
        case T.WLAN:
            return _wlan(cursor)
    assert word is not None
    assert proto is not None
    if proto is Proto.TCP and cursor.is_word("flags"):
        return extensions.parse_tcp_flags(cursor, start)
    return Keyword(proto, word.span)


_PAIRS: Final = {Direction.SRC: Direction.DST, Direction.DST: Direction.SRC}


def _direction(cursor: Cursor) -> Direction:
    """Parse `src`, `dst`, `src or dst`, `dst and src`, `addr1` and the like."""
    first = cursor.advance().fact
    assert isinstance(first, Direction)
    conjunction = cursor.token.kind
    if first not in _PAIRS or conjunction not in (T.AND, T.OR):
        return first
    cursor.advance()
    other = _PAIRS[first]
    if cursor.token.fact is not other:
        raise cursor.expected(f"'{other.value}'")
    cursor.advance()
    return Direction.AND if conjunction is T.AND else Direction.OR


def _kind(cursor: Cursor) -> Kind | None:
    """Parse the kind after a direction, where only some make sense."""
    token = cursor.token
    if token.kind is not T.KIND:
        return None
    if token.fact in (Kind.PROTO, Kind.PROTOCHAIN, Kind.GATEWAY):
        raise cursor.error(f"'{token.text}' takes no direction", token.span)
    cursor.advance()
    assert isinstance(token.fact, Kind)
    return token.fact


# -- words with at most a number or a name -------------------------------------------------------


def _length_limit(cursor: Cursor) -> Test:
    word = cursor.advance()
    number = cursor.expect(T.NUMBER, "a number of bytes")
    return LengthLimit(word.kind is T.GREATER, _int(number), Span(word.start, number.end))


_BYTE_OPS: Final[Mapping[object, str]] = {
    AluOp.AND: "&",
    AluOp.OR: "|",
    RelOp.LT: "<",
    RelOp.GT: ">",
    RelOp.EQ: "=",
}


def _byte(cursor: Cursor) -> Test:
    word = cursor.advance()
    offset = cursor.expect(T.NUMBER, "an offset")
    op = _BYTE_OPS.get(cursor.token.fact)
    if op is None:
        raise cursor.expected("one of & | < > =")
    cursor.advance()
    value = cursor.expect(T.NUMBER, "a number")
    return ByteTest(_int(offset), op, _int(value), Span(word.start, value.end))


def _inbound(cursor: Cursor) -> Test:
    word = cursor.advance()
    return Inbound(word.kind is T.OUTBOUND, word.span)


def _ifindex(cursor: Cursor) -> Test:
    word = cursor.advance()
    number = cursor.expect(T.NUMBER, "an interface's number")
    return IfIndex(_int(number), Span(word.start, number.end))


def _ifname(cursor: Cursor) -> Test:
    word = cursor.advance()
    name = cursor.token
    if name.kind is T.ESCAPED or (name.kind is T.STRING and name.fact):
        shown = str(name.fact)
    elif name.kind is T.NAME or (cursor.extended and name.text[:1].isalpha()):
        shown = name.text
    else:
        raise cursor.expected("an interface's name")
    cursor.advance()
    return IfName(shown, Span(word.start, name.end))


def _llc(cursor: Cursor) -> Test:
    word = cursor.advance()
    kind = cursor.token
    if kind.kind is T.RULE_NUMBER and kind.fact == "rnr":
        cursor.advance()
        return Llc("rnr", Span(word.start, kind.end))
    if kind.kind not in (T.NAME, T.ESCAPED):
        return Llc("", word.span)
    name = (kind.text if kind.kind is T.NAME else str(kind.fact)).lower()
    if name not in LLC_KINDS:
        raise cursor.error(f'unknown LLC type name "{name}"', kind.span)
    cursor.advance()
    return Llc(name, Span(word.start, kind.end))


def _tunnel(cursor: Cursor) -> Test:
    word = cursor.advance()
    assert isinstance(word.fact, Tunnel)
    if word.fact is Tunnel.VLAN and cursor.is_word("in"):
        return extensions.parse_vlan_set(cursor, word)
    ident, end = None, word.end
    if word.fact is not Tunnel.PPPOED and cursor.token.kind in (T.NUMBER, T.OPEN):
        ident, end = _number_in_parentheses(cursor)
    if word.fact is Tunnel.VXLAN and cursor.extended and cursor.token.fact is Kind.PORT:
        return extensions.parse_vxlan_port(cursor, word, ident)
    return TunnelTest(word.fact, ident, Span(word.start, end))


def _number_in_parentheses(cursor: Cursor) -> tuple[int, int]:
    """Parse a number in any number of parentheses; return it and where it ends."""
    depth = 0
    while cursor.accept(T.OPEN):
        depth += 1
    number = cursor.expect(T.NUMBER, "a number")
    end = number.end
    for _ in range(depth):
        end = cursor.expect(T.CLOSE, "')'").end
    return _int(number), end


# -- words of link types that netbpf does not read -------------------------------------------------


def _wlan(cursor: Cursor) -> Test:
    """Parse 802.11's type, subtype and dir."""
    word = cursor.advance()
    if word.text in ("dir", "direction"):
        end = _choice(cursor, WLAN_DIRECTIONS, "802.11 direction")
    elif word.text == "subtype":
        end = _choice(cursor, WLAN_SUBTYPES, "802.11 type name", numbers=False)
    else:
        end = _choice(cursor, WLAN_TYPES, "802.11 type name")
        if cursor.token.text == "subtype":
            cursor.advance()
            end = _choice(cursor, WLAN_SUBTYPES, "802.11 subtype name")
    return Unsupported("wlan", str(word.fact), Span(word.start, end.end))


def _choice(cursor: Cursor, names: tuple[str, ...], what: str, *, numbers: bool = True) -> Token:
    token = cursor.token
    if token.kind is T.NUMBER and numbers:
        return cursor.advance()
    if token.kind not in (T.NAME, T.ESCAPED):
        raise cursor.expected(f"an {what}")
    name = token.text if token.kind is T.NAME else str(token.fact)
    if name.lower() not in names:
        raise cursor.error(f'unknown {what} "{name}"', token.span)
    return cursor.advance()


def _bare_word(family: str) -> Callable[[Cursor], Test]:
    def parse(cursor: Cursor) -> Test:
        word = cursor.advance()
        return Unsupported(family, str(word.fact), word.span)

    return parse


def _field(family: str) -> Callable[[Cursor], Test]:
    """Return the parser of `vpi 1`, `vci > 5`, `opc (1 or 2)`."""

    def parse(cursor: Cursor) -> Test:
        word = cursor.advance()
        if cursor.accept(T.RELATION):
            end = cursor.expect(T.NUMBER, "a number")
        elif cursor.accept(T.OPEN):
            cursor.expect(T.NUMBER, "a number")
            while cursor.accept(T.OR):
                cursor.expect(T.NUMBER, "a number")
            end = cursor.expect(T.CLOSE, "'or' or ')'")
        else:
            end = cursor.expect(T.NUMBER, "a number or a comparison")
        return Unsupported(family, str(word.fact), Span(word.start, end.end))

    return parse


def _rule_number(cursor: Cursor) -> Test:
    word = cursor.advance()
    end = cursor.expect(T.NUMBER, "a rule's number")
    return Unsupported("pf", str(word.fact), Span(word.start, end.end))


def _rule_name(cursor: Cursor) -> Test:
    word = cursor.advance()
    kinds = (T.NAME, T.ESCAPED, T.NUMBER) if word.fact == "reason" else (T.NAME, T.ESCAPED)
    if cursor.token.kind not in kinds:
        raise cursor.expected("a name")
    return Unsupported("pf", str(word.fact), Span(word.start, cursor.advance().end))


def _int(token: Token) -> int:
    assert isinstance(token.fact, int)
    return token.fact


_PARSERS: Final[Mapping[T, Callable[[Cursor], Test | Head]]] = {
    T.PROTO: _qualified,
    T.DIRECTION: _qualified,
    T.KIND: _qualified,
    T.BROADCAST: _qualified,
    T.MULTICAST: _qualified,
    T.WLAN: _wlan,
    T.LESS: _length_limit,
    T.GREATER: _length_limit,
    T.BYTE: _byte,
    T.INBOUND: _inbound,
    T.OUTBOUND: _inbound,
    T.IFINDEX: _ifindex,
    T.IFNAME: _ifname,
    T.LLC: _llc,
    T.TUNNEL: _tunnel,
    T.ATM: _bare_word("atm"),
    T.ATM_FIELD: _field("atm"),
    T.SS7: _bare_word("ss7"),
    T.SS7_FIELD: _field("ss7"),
    T.RULE_NUMBER: _rule_number,
    T.RULE_NAME: _rule_name,
}
