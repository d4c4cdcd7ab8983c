"""A place in the list of tokens, and the errors that point at it.

Everything that reads tokens shares one cursor. Depends on lexer, tokens, wording.
"""

from __future__ import annotations

from netbpf.errors import ExpressionError, Span
from netbpf.expr.lexer import tokenize
from netbpf.expr.nodes import Dialect
from netbpf.expr.tokens import T, Token
from netbpf.expr.wording import expression_error, shorten


class Cursor:
    """The tokens of one expression and the index of the current one."""

    __slots__ = ("_index", "_tokens", "dialect", "text", "token")

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self.dialect = dialect
        self._tokens = tokenize(text, dialect)
        self._index = 0
        self.token = self._tokens[0]

    @property
    def extended(self) -> bool:
        """Whether the extensions of the default dialect are in force."""
        return self.dialect is Dialect.NETBPF

    @property
    def previous(self) -> Token | None:
        """The token before the current one."""
        return self._tokens[self._index - 1] if self._index else None

    def peek(self) -> Token:
        """Return the token after the current one; the last token repeats."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Step over the current token and return it. END and BAD cannot be stepped over."""
        token = self.token
        if self._index + 1 < len(self._tokens):
            self._index += 1
            self.token = self._tokens[self._index]
        return token

    def accept(self, kind: T) -> Token | None:
        """Step over the current token if it is of this kind."""
        return self.advance() if self.token.kind is kind else None

    def expect(self, kind: T, what: str, *, hint: str = "") -> Token:
        """Step over a token of this kind, or complain that `what` was expected."""
        if self.token.kind is not kind:
            raise self.expected(what, hint=hint)
        return self.advance()

    def is_word(self, word: str) -> bool:
        """Whether the current token is this word of the extensions (not a keyword)."""
        token = self.token
        return token.kind is T.NAME and token.text == word and self.extended

    def expected(self, what: str, *, hint: str = "") -> ExpressionError:
        """Return the error 'expected …, found …' at the current token."""
        token = self.token
        if token.kind is T.BAD:
            return self.error(str(token.fact), token.span, hint=_bad_hint(token))
        return self.error(f"expected {what}, found {describe(token)}", token.span, hint=hint)

    def error(self, message: str, span: Span, *, hint: str = "") -> ExpressionError:
        """Return an error at a span of the text."""
        return expression_error(message, text=self.text, span=span, hint=hint)


def _bad_hint(token: Token) -> str:
    if token.text.isalpha() and not token.text.isascii():
        return "a name with such letters needs a backslash before it"
    return ""


def describe(token: Token) -> str:
    """Return a token in words for a message."""
    if token.kind is T.END:
        return "the end of the expression"
    return f"'{shorten(token.text)}'"
