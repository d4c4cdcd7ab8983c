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
    """The tokens of one expression, read as they are asked for, and the current one.

    `tried` is the place up to which no long list is looked for (expr.runs).
    """

    __slots__ = ("_following", "_rest", "dialect", "previous", "text", "token", "tried")

    def __init__(self, text: str, dialect: Dialect, *, gather: bool = True) -> None:
        self.text = text
        self.dialect = dialect
        self.tried = 0 if gather else len(text)
        self.skip(0)

    @property
    def extended(self) -> bool:
        """Whether the extensions of the default dialect are in force."""
        return self.dialect is Dialect.NETBPF

    def skip(self, to: int) -> None:
        """Make what begins at a place of the text the current token; nothing is before it."""
        self._rest = tokenize(self.text, self.dialect, to)
        self.previous: Token | None = None  # the token before the current one
        self._following: Token | None = None
        self.token = next(self._rest)

    def peek(self) -> Token:
        """Return the token after the current one; the last token repeats."""
        if self._following is None:
            self._following = next(self._rest, self.token)
        return self._following

    def advance(self) -> Token:
        """Step over the current token and return it. END and BAD cannot be stepped over."""
        token = self.token
        following = self._following or next(self._rest, token)
        if following is not token:
            self.previous, self.token, self._following = token, following, None
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
