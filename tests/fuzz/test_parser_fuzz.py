"""No text gives anything but an expression or an ExpressionError that can be shown.

NETBPF_SCALE=40 pytest tests/fuzz/test_parser_fuzz.py        more than 100,000 texts
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.proto.linktype import LinkType
from tests.support.grammar import EXTRA, Texts
from tests.support.tools import scaled

SEED = 20
KIBIBYTES_64 = 65536
BOTH = pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)


def survives(text: str, dialect: Dialect) -> bool:
    """Parse and resolve; return whether the text was accepted. Fail if it gives a third thing."""
    error = refusal(text, dialect)
    if error is None:
        return True
    assert 0 <= error.span.start <= error.span.end <= len(text), (text, error.span)
    assert error.text == text
    assert error.message
    shown = error.render()
    assert len(shown.splitlines()) == 3, shown
    assert len(shown) < 1000
    return False


def refusal(text: str, dialect: Dialect) -> ExpressionError | None:
    try:
        expr = parse(text, dialect=dialect)
        resolve(
            expr,
            text=text,
            dialect=dialect,
            linktype=LinkType.EN10MB,
            resolver=NoNames(),
            sets={"list": ()},
        )
    except ExpressionError as error:
        return error
    return None


def fuzz(texts: Iterator[str], dialect: Dialect) -> tuple[int, int]:
    """Return how many texts were accepted, and refused."""
    results = [survives(text, dialect) for text in texts]
    return sum(results), len(results) - sum(results)


@BOTH
def test_expressions(dialect: Dialect) -> None:
    texts = Texts(SEED, extended=dialect is Dialect.NETBPF)
    accepted, refused = fuzz((texts.expression() for _ in range(scaled(200))), dialect)
    assert accepted > refused / 2 > 0


@BOTH
def test_slips(dialect: Dialect) -> None:
    texts = Texts(SEED, extended=dialect is Dialect.NETBPF)
    expressions = (texts.slip(texts.expression(3)) for _ in range(scaled(300)))
    accepted, refused = fuzz(expressions, dialect)
    assert accepted
    assert refused


@BOTH
def test_soups_and_noise(dialect: Dialect) -> None:
    texts = Texts(SEED)
    fuzz((texts.soup() for _ in range(scaled(250))), dialect)
    fuzz((texts.noise() for _ in range(scaled(250))), dialect)


@BOTH
def test_every_prefix_of_expressions(dialect: Dialect) -> None:
    texts = Texts(SEED, extended=dialect is Dialect.NETBPF)
    for _ in range(scaled(4)):
        text = texts.expression(3)
        fuzz((text[:end] for end in range(len(text))), dialect)


@BOTH
@pytest.mark.parametrize("text", EXTRA)
def test_every_prefix_of_the_extensions(text: str, dialect: Dialect) -> None:
    fuzz((text[:end] for end in range(len(text) + 1)), dialect)


@BOTH
def test_characters_changed(dialect: Dialect) -> None:
    texts = Texts(SEED, extended=dialect is Dialect.NETBPF)

    def changed() -> Iterator[str]:
        for _ in range(scaled(200)):
            text = texts.expression(2)
            at = texts.random.randrange(len(text))
            yield text[:at] + texts.noise()[:2] + text[at + texts.random.randrange(3) :]

    fuzz(changed(), dialect)


# Pieces that repeat to 64 KiB: nesting, long lists, and what could make a regular expression slow.
PIECES = (
    "(", ")", "((", "not ", "!", "not (", "tcp and (", "port (", "port 80 or (", "host a or (",
    "-", "1+(", "1+", "tcp[", "ip[tcp[", "[", "]", "1<", "vlan (", "inner (", "in {", "port in {1}",
    "a", "a-", "a.", "-", "_", "1", "0", "1:", "::", "1::", "a:b", "1:2:3:4:5:6:7:8", "::1.", "1.",
    "1.2.3.4 or ", "host 1.2.3.4 or ", "80 or ", '"', '"\\', "\\", "\\\\", "\0", "\ud800", "é",
    "\n", " ", "$", "$1", "payload starts ", "tcp flags ", "syn,", "{", "}", "@", ",", "and ",
    "tcp ", "src or ", "x" * 1000 + " ", "0x" + "f" * 100 + " ", "9" * 1000 + " ",
)  # fmt: skip
STARTS = ("", "port 80 or ", "tcp flags ", "port in {", 'payload starts "', "host ", "len = ")


@BOTH
@pytest.mark.parametrize("start", STARTS)
def test_64_kib_of_anything_takes_less_than_a_second(start: str, dialect: Dialect) -> None:
    size = min(KIBIBYTES_64, scaled(4096))
    for piece in PIECES:
        text = (start + piece * (size // len(piece)))[:size]
        begin = time.process_time()
        survives(text, dialect)
        assert time.process_time() - begin < 1, piece


@BOTH
def test_closed_nesting(dialect: Dialect) -> None:
    for opening, middle, closing in (
        ("(", "tcp", ")"), ("not (", "tcp", ")"), ("(tcp or ", "udp", ")"), ("tcp[", "1", "]"),
        ("port (", "80", ")"), ("1 + (", "1", ")"), ("- (", "len", ")"), ("inner (", "tcp", ")"),
        ("port 80 or (443 and not (", "22", "))"), ("(port 80 or (", "1 < len", "))"),
    ):  # fmt: skip
        for tail in ("", " = 1", " or 80", " and tcp"):
            depth = min(3000, scaled(300))
            survives(opening * depth + middle + closing * depth + tail, dialect)
            survives(opening * depth + middle + closing * (depth - 1) + tail, dialect)
