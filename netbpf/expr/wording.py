"""Build the errors of the front end: readable, whatever the text is like.

Depends on errors only.
"""

from __future__ import annotations

from typing import Final

from netbpf.errors import ExpressionError, Span

WORD: Final = 60  # characters of one word
MESSAGE: Final = 200


def expression_error(message: str, *, text: str, span: Span, hint: str = "") -> ExpressionError:
    """Return an error whose message and hint are short and printable.

    Both may quote the text, which may hold anything, such as control codes for the terminal.
    """
    return ExpressionError(_readable(message), text=text, span=span, hint=_readable(hint))


def shorten(text: str, most: int = 40) -> str:
    """Cut a text to `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _readable(message: str) -> str:
    if not message.isprintable():
        message = "".join(char if char.isprintable() else "·" for char in message)
    if len(message) <= WORD:
        return message
    words = (shorten(word, WORD) for word in message.split(" "))
    return shorten(" ".join(words), MESSAGE)
