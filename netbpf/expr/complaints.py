"""The errors of the parser, in words: what was expected, what was found, a guess.

Every function returns an error for the parser to raise. None of them is called for a valid
expression, so they may take their time. Neighbours: parser, cursor, suggest.
"""

from __future__ import annotations

from typing import Final

from netbpf.errors import ExpressionError, Span
from netbpf.expr.cursor import Cursor, describe
from netbpf.expr.frames import Frame, Mode
from netbpf.expr.nodes import Arith, Binary, Chain, Expr, Num, Primitive, Qualifiers
from netbpf.expr.suggest import did_you_mean, guess
from netbpf.expr.tokens import T, Token
from netbpf.expr.wording import shorten
from netbpf.expr.words import (
    CONSTANTS,
    DIRECTIONS,
    EXTENSIONS,
    KEYWORDS,
    KINDS,
    PROTOCOLS,
    TUNNELS,
)
from netbpf.ir.program import AluOp

_USUAL: Final = (  # in the order in which equally good guesses are preferred
    *KINDS,
    "src",
    "dst",
    *PROTOCOLS,
    *TUNNELS,
    *("less", "greater", "broadcast", "multicast", "inbound", "outbound", "len", "not"),
    *("ifname", "ifindex", "llc"),
)
_OPERANDS: Final = frozenset(
    {T.NUMBER, T.NAME, T.ESCAPED, T.DOTTED, T.IPV6, T.MAC, T.PROTO, T.DIRECTION, T.KIND}
)


def no_term(cursor: Cursor) -> ExpressionError:
    """Return the error where a term must begin and none does."""
    token = cursor.token
    hint = ""
    if token.kind in (T.OPEN_SET, T.AT):
        hint = "sets follow a qualifier and 'in': port in {80, 443}"
    return cursor.expected("a primitive", hint=hint)


def bare_identifier(cursor: Cursor) -> ExpressionError:
    """Return the error for an identifier where there is nothing to inherit from."""
    token = cursor.token
    return cursor.expected("a primitive", hint=_meant(cursor, token))


def no_qualifiers(cursor: Cursor, frame: Frame, value: Arith | None = None) -> ExpressionError:
    """Return the error for an identifier after a term that has no qualifiers to hand on."""
    token = cursor.token
    span = value.span if value is not None else token.span
    shown = shorten(cursor.text[span.start : span.end])
    if value is None and token.kind is T.NAME and guess(token.text, _words(cursor)):
        return bare_identifier(cursor)
    last = frame.last
    if last is None:
        return cursor.error(
            f"'{shown}' has no qualifiers to inherit", span, hint=_meant(cursor, token, shown)
        )
    if frame.grouped:
        quals = _last_qualifiers(last)
        words = f"{_spell(quals)} {shown}" if quals else f"host {shown}"
        return cursor.error(
            f"'{shown}' has no qualifiers: those in the parentheses end there",
            span,
            hint=f"did you mean '{words}'?",
        )
    before = cursor.text[last.span.start : last.span.end]
    return cursor.error(
        f"'{shown}' has no qualifiers to inherit from '{shorten(before)}'",
        span,
        hint=_meant(cursor, token, shown),
    )


def _last_qualifiers(expr: Expr) -> Qualifiers | None:
    """Return the qualifiers of the last primitive at the top of a parenthesis."""
    last = expr.rest[-1][1] if isinstance(expr, Chain) and expr.rest else expr
    return last.quals if isinstance(last, Primitive) else None


def _spell(quals: Qualifiers) -> str:
    parts = (quals.proto, quals.direction, quals.kind)
    return " ".join(part.value for part in parts if part is not None)


def no_value(cursor: Cursor) -> ExpressionError:
    """Return the error where arithmetic needs an operand."""
    token = cursor.token
    hint = ""
    if token.kind is T.PROTO:
        hint = f"a byte of a header is written '{token.text}[0]'"
    elif token.kind is T.NAME:
        hint = did_you_mean(token.text, (*CONSTANTS, "len", *PROTOCOLS)) or _spaced(token)
    return cursor.expected("a value", hint=hint)


def _dotted(network: str) -> str:
    """Return '10/8' as '10.0.0.0/8'."""
    number, _, length = network.partition("/")
    return f"{number.strip()}.0.0.0/{length.strip()}"


def second_relation(cursor: Cursor) -> ExpressionError:
    """Return the error for `1 < len < 5`."""
    return cursor.expected("'and' or 'or'", hint="write one comparison on each side of 'and'")


def no_relation(cursor: Cursor, frame: Frame, value: Arith) -> ExpressionError:
    """Return the error for arithmetic that is compared with nothing."""
    token = cursor.token
    if frame.opener is not None and frame.mode is Mode.ARITHMETIC:
        return unclosed(cursor, frame, "an operator or ')'")
    if token.kind in _OPERANDS:
        return cursor.expected("an operator or a comparison", hint=_spaced(token))
    if isinstance(value, Num) and not value.word:
        shown = shorten(cursor.text[value.span.start : value.span.end])
        message = f"expected a primitive, found '{shown}'"
        return cursor.error(message, value.span, hint=f"did you mean 'port {shown}'?")
    hint = ""
    if isinstance(value, Binary):
        hint = "a value alone says nothing; compare it, as in '… != 0'"
        network = shorten(cursor.text[value.span.start : value.span.end])
        if value.op is AluOp.DIV and isinstance(value.left, Num) and frame.op is None:
            hint = f"did you mean 'net {_dotted(network)}'?"
    return cursor.expected("a comparison", hint=hint)


def after_term(cursor: Cursor, frame: Frame) -> ExpressionError:
    """Return the error for what cannot follow a complete term."""
    token, previous = cursor.token, cursor.previous
    if token.kind is T.CLOSE:
        return cursor.error("this ')' closes nothing", token.span)
    if previous is not None and token.kind not in (T.BAD, T.END):
        if previous.end == token.start and previous.kind in (T.IPV6, T.MAC, T.DOTTED):
            return _no_address(cursor, previous)
        blamed = _mistaken(cursor, frame, previous)
        if blamed is not None:
            return blamed
    if frame.opener is not None:
        return unclosed(cursor, frame, "'and', 'or' or ')'")
    return cursor.expected("'and' or 'or'", hint=_operator_hint(cursor))


def unclosed(cursor: Cursor, frame: Frame, what: str) -> ExpressionError:
    """Return the error for an open parenthesis or bracket that something else interrupts."""
    if cursor.token.kind is T.END and frame.opener is not None:
        return cursor.error(f"this '{frame.opener.text}' is never closed", frame.opener.span)
    return cursor.expected(what, hint=_operator_hint(cursor))


def _mistaken(cursor: Cursor, frame: Frame, previous: Token) -> ExpressionError | None:
    """Blame the word before, if it was taken for a name and what follows does not fit.

    `tcp dst prot 80` is a host called 'prot' and then nonsense; the word meant was 'port'.
    """
    if previous.kind is not T.NAME or cursor.token.kind not in _OPERANDS | {T.OPEN, T.OPEN_SET}:
        return None
    last = frame.last
    if not isinstance(last, Primitive) or (last.quals.kind is not None and not last.inherited):
        return None
    hint = did_you_mean(previous.text, _words(cursor))
    if not hint:
        return None
    return cursor.error(
        f"expected a primitive, found {describe(previous)}", previous.span, hint=hint
    )


def _no_address(cursor: Cursor, previous: Token) -> ExpressionError:
    """Return the error for something that begins like an address and goes on differently."""
    end = previous.start
    while end < len(cursor.text) and cursor.text[end] not in " \t\r\n()/":
        end += 1
    shown = shorten(cursor.text[previous.start : end])
    return cursor.error(f"'{shown}' is not an address", Span(previous.start, end))


def _operator_hint(cursor: Cursor) -> str:
    token, previous = cursor.token, cursor.previous
    if token.kind is T.NAME:
        return did_you_mean(token.text, ("and", "or", *KINDS, *DIRECTIONS))
    if previous is not None and previous.text == "in":
        return "a set is written 'in {80, 443}'"
    if token.text == "/" and previous is not None and previous.kind is T.NUMBER:
        return f"a network is written with its dots: {previous.text}.0.0.0/…"
    if token.text == "-" and previous is not None and previous.kind is T.NUMBER:
        return "a range is written without spaces: portrange 80-90"
    if token.text in (",", "{"):
        return "a set is written 'in {80, 443}'"
    if token.kind is T.RELATION and previous is not None and previous.kind is T.PROTO:
        return f"a byte of a header is written '{previous.text}[0]'"
    if token.kind is T.OPEN_INDEX:
        return "only a protocol can be indexed, as in 'tcp[13]'"
    return ""


def _meant(cursor: Cursor, token: Token, shown: str = "") -> str:
    """Guess what an identifier without qualifiers should have been."""
    if token.kind is T.NAME:
        if token.text in EXTENSIONS and not cursor.extended:
            return f"'{token.text}' is a word of the default dialect only"
        hint = did_you_mean(token.text, _words(cursor))
        if hint:
            return hint
    if token.kind is T.MAC:
        return f"did you mean 'ether host {token.text}'?"
    if token.kind is T.DOTTED and cursor.peek().text in ("/", "mask"):
        return f"did you mean 'net {token.text}…'?"
    if token.kind in (T.NAME, T.ESCAPED, T.DOTTED, T.IPV6):
        return f"did you mean 'host {shorten(token.text)}'?"
    return f"did you mean 'port {shorten(shown)}'?" if shown.isdecimal() else ""


def _spaced(token: Token) -> str:
    """Explain `len > 10-5`: the hyphen makes a name of it."""
    left, hyphen, right = token.text.partition("-")
    if token.kind is T.NAME and hyphen and (left[:1].isdigit() or left in KEYWORDS):
        return f"for a subtraction write spaces: {shorten(left)} - {shorten(right)}"
    return ""


def _words(cursor: Cursor) -> tuple[str, ...]:
    return (*_USUAL, *(EXTENSIONS if cursor.extended else ()), *CONSTANTS)
