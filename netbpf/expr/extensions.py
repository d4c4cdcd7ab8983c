r"""Parse what the default dialect adds to pcap-filter(7). See docs/language.md.

    primitive = 'gre' | 'ipip' | 'gtp' [NUMBER] | 'frag' ['first' | 'later']
              | 'dscp' (NUMBER | DSCP) | 'payload' 'starts' STRING
              | 'tcp' 'flags' ['!'] FLAG { ',' ['!'] FLAG }
              | 'vlan' 'in' '{' NUMBER ['-' NUMBER] { ',' … } '}' | 'vxlan' [NUMBER] 'port' NUMBER

`inner (…)`, `ttl`, `dscp` and `payload[…]` in relations are the parser's. The words mean this where
a primitive may begin; after a qualifier they are names (`host frag`), `\frag` is one anywhere.
"""

from __future__ import annotations

from typing import Final

from netbpf.errors import Span
from netbpf.expr.cursor import Cursor
from netbpf.expr.nodes import (
    Fragment,
    FragmentKind,
    HeaderField,
    Num,
    PayloadStarts,
    Relation,
    RelOp,
    TcpFlags,
    Test,
    Tunnel,
    TunnelTest,
)
from netbpf.expr.tokens import T, Token
from netbpf.expr.words import CONSTANTS, DSCP, TCP_FLAGS

_TUNNELS: Final = {"gre": Tunnel.GRE, "ipip": Tunnel.IPIP, "gtp": Tunnel.GTP}
PREFIX_LIMIT: Final = 64  # bytes that `payload starts` may ask for: a window, not a search


def begins_primitive(cursor: Cursor) -> bool:
    """Whether the current name is a word that begins a primitive."""
    match cursor.token.text:
        case "gre" | "ipip" | "gtp" | "frag" | "inner":
            return True
        case "dscp":
            return cursor.peek().kind in (T.NUMBER, T.NAME)
        case "payload":
            return cursor.peek().kind is not T.OPEN_INDEX
    return False


def begins_value(cursor: Cursor) -> bool:
    """Whether the current name is a word that begins a value."""
    match cursor.token.text:
        case "ttl":
            return True
        case "dscp" | "payload":
            return not begins_primitive(cursor)
    return False


def parse_primitive(cursor: Cursor) -> Test | None:
    """Parse a primitive that is an extension; None if none begins here."""
    if cursor.token.kind is not T.NAME or not begins_primitive(cursor):
        return None
    match cursor.token.text:
        case "frag":
            return _fragment(cursor)
        case "dscp":
            return _dscp(cursor)
        case "payload":
            return _payload_starts(cursor)
    return _tunnel(cursor)


def _tunnel(cursor: Cursor) -> Test:
    word = cursor.advance()
    tunnel = _TUNNELS[word.text]
    if tunnel is Tunnel.GTP and cursor.token.kind is T.NUMBER:
        teid = cursor.advance()
        return TunnelTest(tunnel, _int(teid), Span(word.start, teid.end))
    return TunnelTest(tunnel, None, word.span)


def _fragment(cursor: Cursor) -> Test:
    word = cursor.advance()
    for kind in (FragmentKind.FIRST, FragmentKind.LATER):
        if cursor.is_word(kind.value):
            return Fragment(kind, Span(word.start, cursor.advance().end))
    return Fragment(FragmentKind.ANY, word.span)


def _dscp(cursor: Cursor) -> Test:
    """Parse `dscp ef` and `dscp 46`."""
    word = cursor.advance()
    value = cursor.advance()
    number = Num(_int(value), value.span) if value.kind is T.NUMBER else dscp_name(cursor, value)
    field = HeaderField("dscp", word.span)
    return Relation(RelOp.EQ, field, number, Span(word.start, value.end))


def dscp_name(cursor: Cursor, token: Token) -> Num:
    """Return the code point that a name stands for."""
    if token.text not in DSCP:
        raise cursor.error(f"unknown DSCP name '{token.text}'", token.span)
    return Num(DSCP[token.text], token.span, token.text)


def parse_tcp_flags(cursor: Cursor, start: int) -> Test:
    """Parse from `flags` on."""
    word = cursor.advance()
    wanted = {True: 0, False: 0}
    end = word
    while True:
        clear = cursor.accept(T.NOT)
        end = cursor.token
        wanted[clear is None] |= _flag(cursor)
        if not cursor.accept(T.COMMA):
            break
    both = wanted[True] & wanted[False]
    if both:
        name = next(flag for flag, bit in TCP_FLAGS.items() if bit & both)
        message = f"no packet has '{name}' both set and clear"
        raise cursor.error(message, Span(word.start, end.end))
    return TcpFlags(wanted[True], wanted[False], Span(start, end.end))


def _flag(cursor: Cursor) -> int:
    token = cursor.token
    name = "push" if token.text == "psh" else token.text
    if name in TCP_FLAGS or (name in CONSTANTS and name.startswith("tcp-")):
        cursor.advance()
        return TCP_FLAGS[name.removeprefix("tcp-")]
    if token.kind is not T.NAME:
        raise cursor.expected("a TCP flag")
    message = f"'{token.text}' is no TCP flag"
    raise cursor.error(message, token.span, hint=f"the flags are {', '.join(TCP_FLAGS)}")


# -- payload ---------------------------------------------------------------------------------------


def _payload_starts(cursor: Cursor) -> Test:
    word = cursor.advance()
    if not cursor.is_word("starts"):
        raise cursor.expected("'[' or 'starts' after 'payload'")
    cursor.advance()
    string = cursor.expect(T.STRING, 'a string, such as "GET "')
    prefix = _unescape(cursor, string)
    if not 0 < len(prefix) <= PREFIX_LIMIT:
        message = f"the string must have 1 to {PREFIX_LIMIT} bytes, not {len(prefix)}"
        raise cursor.error(message, string.span)
    return PayloadStarts(prefix, Span(word.start, string.end))


_ESCAPES: Final = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"'}


def _unescape(cursor: Cursor, token: Token) -> bytes:
    r"""Return a string's bytes: \n \r \t \\ \" \xNN, and UTF-8 for everything else."""
    text = str(token.fact)
    result = bytearray()
    at = 0
    while at < len(text):
        char = text[at]
        here = Span(token.start + 1 + at, token.start + 2 + at)
        at += 1
        if char == "\\":
            escape = text[at : at + 1]
            at += 1
            if escape == "x":
                digits = text[at : at + 2]
                at += 2
                result += _hex_byte(cursor, digits, here)
            elif escape in _ESCAPES:
                result += _ESCAPES[escape]
            else:
                hint = r"escapes are \n \r \t \\ \" and \xNN"
                raise cursor.error(f"unknown escape '\\{escape}'", here, hint=hint)
        else:
            try:
                result += char.encode()
            except UnicodeEncodeError:
                raise cursor.error("this character has no UTF-8 form", here) from None
    return bytes(result)


def _hex_byte(cursor: Cursor, digits: str, where: Span) -> bytes:
    if len(digits) == 2 and frozenset("0123456789abcdefABCDEF").issuperset(digits):
        return bytes([int(digits, 16)])
    raise cursor.error(r"\x needs two hexadecimal digits", where)


# -- tunnels ---------------------------------------------------------------------------------------


def parse_vlan_set(cursor: Cursor, word: Token) -> Test:
    """Parse `vlan in {10, 20-29}` and `vlan in @name` from `in` on."""
    cursor.advance()
    if cursor.accept(T.AT):
        name = cursor.expect(T.NAME, "the name of a set")
        return TunnelTest(Tunnel.VLAN, None, Span(word.start, name.end), named=name.text)
    cursor.expect(T.OPEN_SET, "'{' or '@NAME'")
    members = [_range(cursor)]
    while cursor.accept(T.COMMA):
        members.append(_range(cursor))
    end = cursor.expect(T.CLOSE_SET, "',' or '}'")
    return TunnelTest(Tunnel.VLAN, None, Span(word.start, end.end), members=tuple(sorted(members)))


def _range(cursor: Cursor) -> tuple[int, int]:
    """Parse `10` or `10-20`, which the lexer takes for a name."""
    token = cursor.token
    if token.kind is T.NUMBER:
        cursor.advance()
        return _int(token), _int(token)
    found = number_range(token.text) if token.kind is T.NAME else None
    if found is not None:
        cursor.advance()
        return found
    raise cursor.expected("a VLAN number or a range of them")


def number_range(text: str) -> tuple[int, int] | None:
    """Read '10-20' as (10, 20); None if it is something else."""
    low, _, high = text.partition("-")
    if low.isdecimal() and high.isdecimal() and text.isascii() and len(text) < 16:
        return min(int(low), int(high)), max(int(low), int(high))
    return None


def parse_vxlan_port(cursor: Cursor, word: Token, ident: int | None) -> Test:
    """Parse `vxlan 42 port 8472` from `port` on."""
    cursor.advance()
    port = cursor.expect(T.NUMBER, "a port's number")
    return TunnelTest(Tunnel.VXLAN, ident, Span(word.start, port.end), port=_int(port))


def _int(token: Token) -> int:
    assert isinstance(token.fact, int)
    return token.fact
