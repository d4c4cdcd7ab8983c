"""The errors of the parser, in words: what was expected, what was found, a guess.

Every function returns an error for the parser to raise. Neighbours: parser, cursor, suggest.
"""

from __future__ import annotations

from netbpf.errors import ExpressionError
from netbpf.expr.cursor import Cursor
from netbpf.expr.frames import Frame, Mode, Role
from netbpf.expr.nodes import Arith


def no_term(cursor: Cursor, frame: Frame) -> ExpressionError:
    """Return the error where a term should begin."""
    return cursor.expected("a primitive")


def bare_identifier(cursor: Cursor, frame: Frame) -> ExpressionError:
    return cursor.expected("a primitive")


def no_qualifiers(cursor: Cursor, frame: Frame, value: Arith | None = None) -> ExpressionError:
    span = value.span if value is not None else cursor.token.span
    shown = cursor.text[span.start : span.end]
    return cursor.error(f"'{shown}' has no qualifiers to inherit", span)


def no_value(cursor: Cursor, frame: Frame) -> ExpressionError:
    return cursor.expected("a value")


def second_relation(cursor: Cursor) -> ExpressionError:
    return cursor.expected("'and' or 'or'")


def no_relation(cursor: Cursor, frame: Frame, value: Arith) -> ExpressionError:
    return cursor.expected("a comparison")


def after_term(cursor: Cursor, frame: Frame) -> ExpressionError:
    return cursor.expected("'and' or 'or'")
