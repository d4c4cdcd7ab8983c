r"""Split an expression into tokens.

The rules are those of pcap-filter(7): the longest match wins, so `80-90` and `tcp-foo` are names
(a hyphen is part of a name where one can go on), and among equal lengths a keyword, an Ethernet
address, a number, a dotted number and a name are tried in this order. A backslash makes a name of
anything up to a space, a parenthesis or `!`.

Lexing never fails: what cannot be a token becomes `T.BAD`, with the complaint as its fact, and
ends the tokens. So the parser reports whatever is wrong first. Linear in the length of the text.
Neighbours: tokens, words; the parser is the only reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from netbpf.expr.nodes import BoolOp, Dialect, RelOp
from netbpf.expr.tokens import Fact, T, Token
from netbpf.expr.words import CONSTANTS, KEYWORDS
from netbpf.ir.program import AluOp

_H = "[0-9A-Fa-f]{1,4}"
_B = "[0-9A-Fa-f]{1,2}"
_N = "(?:0[xX][0-9A-Fa-f]+|[0-9]+)"
_QUAD = rf"{_N}\.{_N}\.{_N}\.{_N}"

# An address with colons always beats the name that its first digits would make. The look-ahead
# keeps everything else, such as `[0:4]`, cheap.
_COLONS = (
    rf"(?=[0-9A-Fa-f]{{0,4}}:)(?:"
    rf"(?P<ipv6>(?:{_H}(?::{_H}){{0,6}})?::(?:(?:{_H}:){{0,5}}{_QUAD}|{_H}(?::{_H}){{0,6}})?"
    rf"|{_H}(?::{_H}){{7}}|{_H}(?::{_H}){{5}}:{_QUAD})"
    rf"|(?P<mac>{_B}(?::{_B}){{4}}:(?:[0-9A-Fa-f]{{2}}|[0-9A-Fa-f](?![0-9A-Fa-f]))(?!:))"
    rf"|(?P<bad_mac>{_B}:+(?:{_B}:+)+[0-9A-Za-z:]*))"
)
_WORD = r"(?P<word>[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?)"
_DOLLAR = r"(?P<arcnet>\$[0-9A-Fa-f]{1,2})"
_STRING = r'(?P<string>"(?:[^"\\\n]|\\[^\n])*")'

# What a word is that begins with a hexadecimal digit and is no keyword.
_DIGITS: Final = (
    rf"(?P<mac>{_B}(?:-{_B}){{5}}|{_B}(?:\.{_B}){{5}}"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{12})"
    rf"|(?P<number>{_N})|(?P<dotted>{_N}(?:\.{_N}){{1,3}})"
)
_MAC_DIGITS: Final = 12  # of an Ethernet address without separators

_SYMBOLS: Final[dict[str, tuple[T, Fact]]] = {
    "&&": (T.AND, BoolOp.AND),
    "||": (T.OR, BoolOp.OR),
    "!": (T.NOT, None),
    "+": (T.ARITH, AluOp.ADD),
    "-": (T.ARITH, AluOp.SUB),
    "*": (T.ARITH, AluOp.MUL),
    "/": (T.ARITH, AluOp.DIV),
    "%": (T.ARITH, AluOp.MOD),
    "&": (T.ARITH, AluOp.AND),
    "|": (T.ARITH, AluOp.OR),
    "^": (T.ARITH, AluOp.XOR),
    "<<": (T.ARITH, AluOp.LSH),
    ">>": (T.ARITH, AluOp.RSH),
    "=": (T.RELATION, RelOp.EQ),
    "==": (T.RELATION, RelOp.EQ),
    "!=": (T.RELATION, RelOp.NE),
    "<": (T.RELATION, RelOp.LT),
    "<=": (T.RELATION, RelOp.LE),
    ">": (T.RELATION, RelOp.GT),
    ">=": (T.RELATION, RelOp.GE),
    "(": (T.OPEN, None),
    ")": (T.CLOSE, None),
    "[": (T.OPEN_INDEX, None),
    "]": (T.CLOSE_INDEX, None),
    ":": (T.COLON, None),
}
_EXTENSION_SYMBOLS: Final[dict[str, tuple[T, Fact]]] = {
    "{": (T.OPEN_SET, None),
    "}": (T.CLOSE_SET, None),
    ",": (T.COMMA, None),
    "@": (T.AT, None),
}


def tokenize(text: str, dialect: Dialect, at: int = 0) -> Iterator[Token]:
    """Yield the tokens of `text` from `at` on, where one begins.

    The last one is END, or BAD where lexing had to stop.
    """
    match = _token_pattern(dialect, colons=":" in text).match
    symbols = _SYMBOLS if dialect is Dialect.PCAP else {**_SYMBOLS, **_EXTENSION_SYMBOLS}
    while at < len(text):
        found = match(text, at)
        if found is None:
            yield _bad_character(text, at, dialect)
            return
        start, at = found.span()
        rule = found.lastgroup
        if rule == "space":
            continue
        word = found.group()
        if rule == "word":
            token = _word(word, start, at)
        elif rule == "symbol":
            kind, fact = symbols[word]
            token = Token(kind, word, start, at, fact)
        else:
            token = _other(str(rule), word, start, at)
        yield token
        if token.kind is T.BAD:
            return
    yield Token(T.END, "", len(text), len(text))


@lru_cache(maxsize=4)
def _token_pattern(dialect: Dialect, *, colons: bool) -> re.Pattern[str]:
    """Return the pattern of a token; without `colons` it is compiled in a third of the time."""
    extended = dialect is Dialect.NETBPF
    stop = ",{}" if extended else ""
    single = r"-+*/%:\[\]!<>()&|^=" + (",{}@" if extended else "")
    return re.compile(
        r"(?P<space>[ \r\n\t]+)"
        + (f"|{_COLONS}" if colons else "")
        + rf"|{_WORD}|(?P<escaped>\\[^ !()\n\t{stop}]+)|{_DOLLAR}"
        + (f"|{_STRING}" if extended else "")
        + rf"|(?P<symbol>&&|\|\||[<>!=]=|<<|>>|[{single}])"
    )


@lru_cache(maxsize=1)
def _digit_pattern() -> re.Pattern[str]:
    return re.compile(_DIGITS)


def _word(word: str, start: int, end: int) -> Token:
    """Tell keywords, named values, numbers, addresses and names apart."""
    keyword = KEYWORDS.get(word)
    if keyword is not None:
        return Token(keyword[0], word, start, end, keyword[1])
    if word in CONSTANTS:
        return Token(T.NUMBER, word, start, end, CONSTANTS[word])
    if word.isdecimal() and len(word) < _MAC_DIGITS:
        return _number(word, start, end)  # what most digits are, without a pattern to compile
    found = _digit_pattern().fullmatch(word) if word[0] in "0123456789abcdefABCDEF" else None
    if found is None:
        return Token(T.NAME, word, start, end)
    match found.lastgroup:
        case "mac":
            return Token(T.MAC, word, start, end)
        case "dotted":
            return Token(T.DOTTED, word, start, end)
        case _:
            return _number(word, start, end)


def _number(word: str, start: int, end: int) -> Token:
    value = read_number(word)
    kind = T.NUMBER if isinstance(value, int) else T.BAD
    return Token(kind, word, start, end, value)


def read_number(word: str) -> int | str | None:
    """Read a 32-bit number: 0x… hexadecimal, 0… octal, else decimal.

    Returns None if `word` has not the form of a number, and the complaint if it is a wrong one.
    """
    if not re.fullmatch(_N, word):
        return None
    if word[:2] in ("0x", "0X"):
        base, name, digits = 16, "hexadecimal", word[2:]
    elif word[0] == "0":
        base, name, digits = 8, "octal", word
        if not frozenset("01234567").issuperset(word):
            return f"number {word} contains non-octal digit"
    else:
        base, name, digits = 10, "decimal", word
    digits = digits.lstrip("0") or "0"
    # No 32-bit number has more digits; int() of a very long one would be slow, or refuse.
    value = int(digits, base) if len(digits) <= 11 else 1 << 32
    return value if value < 1 << 32 else f"{name} number {word} overflows 32 bits"


def _other(rule: str, word: str, start: int, end: int) -> Token:
    match rule:
        case "ipv6":
            return Token(T.IPV6, word, start, end)
        case "mac":
            return Token(T.MAC, word, start, end)
        case "bad_mac":
            return Token(T.BAD, word, start, end, f"invalid Ethernet address {word}")
        case "arcnet":
            return Token(T.ARCNET, word, start, end)
        case "escaped":
            return Token(T.ESCAPED, word, start, end, word[1:])
        case _:
            return Token(T.STRING, word, start, end, word[1:-1])


def _bad_character(text: str, at: int, dialect: Dialect) -> Token:
    char = text[at]
    if char == '"' and dialect is Dialect.NETBPF:
        return Token(T.BAD, char, at, at + 1, "a string without its closing quote")
    shown = f"'{char}'" if char.isprintable() else f"character {ord(char):#04x}"
    if char == "\\":
        return Token(T.BAD, char, at, at + 1, "a backslash without a name")
    if char in '{},@"':
        return Token(T.BAD, char, at, at + 1, f"{shown} is not a part of the pcap dialect")
    return Token(T.BAD, char, at, at + 1, f"unexpected {shown}")
