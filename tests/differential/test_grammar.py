"""The parser against libpcap's: the same texts are expressions, and have the same structure.

Structure is compared through libpcap itself: a text, and our tree of it written out with every
parenthesis and qualifier, must compile to the same instructions. So precedence, inheritance and
the extent of `not` are libpcap's. NETBPF_SCALE makes it draw more texts.
"""

from __future__ import annotations

import pytest

from netbpf.asm.cbpf import Insn
from netbpf.errors import ExpressionError
from netbpf.expr.nodes import Dialect, Expr
from netbpf.expr.parser import parse
from netbpf.expr.words import CONSTANTS, EXTENSIONS, KEYWORDS
from tests.support.exprtext import spell
from tests.support.grammar import Texts
from tests.support.libpcap import Libpcap, LibpcapError, libpcap
from tests.support.tools import scaled

SEED = 80


@pytest.fixture(scope="module")
def oracle() -> Libpcap:
    found = libpcap()
    if found is None:
        pytest.skip("libpcap is not installed")
    return found


def compiled(oracle: Libpcap, text: str) -> tuple[Insn, ...] | str:
    """Return libpcap's instructions, or what it complains of."""
    try:
        return oracle.compile(text)
    except LibpcapError as error:
        return str(error)


def parsed(text: str, dialect: Dialect) -> Expr | ExpressionError | None:
    try:
        return parse(text, dialect=dialect)
    except ExpressionError as error:
        return error


def check_accepted(oracle: Libpcap, text: str) -> bool:
    """Check that we accept what libpcap does, and not what its grammar refuses."""
    insns = compiled(oracle, text)
    expr = parsed(text, Dialect.PCAP)
    if isinstance(insns, str):
        if "syntax error" in insns:
            assert isinstance(expr, ExpressionError), (text, insns)
        return False
    assert not isinstance(expr, ExpressionError), (text, expr.render())
    assert not isinstance(parsed(text, Dialect.NETBPF), ExpressionError), text
    if expr is not None:
        full = spell(expr)
        assert compiled(oracle, full) == insns, (text, full)
    return True


def known(text: str, oracle: Libpcap) -> bool:
    """Whether libpcap of this version knows the text's words: it learned `vxlan` in 1.11."""
    return "vxlan" not in text or oracle.version >= (1, 11)


def test_expressions(oracle: Libpcap) -> None:
    texts = Texts(SEED)
    accepted = sum(check_accepted(oracle, texts.expression()) for _ in range(scaled(1000)))
    assert accepted > scaled(1000) // 8


def test_slips(oracle: Libpcap) -> None:
    texts = Texts(SEED)
    drawn = (texts.slip(texts.expression(3)) for _ in range(scaled(1000)))
    accepted = sum(check_accepted(oracle, text) for text in drawn if known(text, oracle))
    assert accepted > 10


def test_soups(oracle: Libpcap) -> None:
    texts = Texts(SEED)
    drawn = [texts.soup() for _ in range(scaled(1000))]
    accepted = sum(check_accepted(oracle, text) for text in drawn if known(text, oracle))
    assert accepted


@pytest.mark.parametrize("depth", [2, 3])
def test_arithmetic(oracle: Libpcap, depth: int) -> None:
    texts = Texts(SEED)
    accepted = 0
    for _ in range(scaled(400)):
        text = f"{texts.value(depth)} = {texts.value(depth)}"
        accepted += check_accepted(oracle, text)
    assert accepted > scaled(400) // 4


@pytest.mark.parametrize("word", CONSTANTS)
def test_named_values(oracle: Libpcap, word: str) -> None:
    assert oracle.compile(f"len = {word}") == oracle.compile(f"len = {CONSTANTS[word]}")


@pytest.mark.parametrize("word", sorted(KEYWORDS.keys() - {"vxlan"}))  # libpcap 1.11 has that
def test_keywords_are_reserved(oracle: Libpcap, word: str) -> None:
    # libpcap looks a name up, and fails at that; but a keyword is no name
    with pytest.raises(LibpcapError, match="syntax error"):
        oracle.compile(f"port {word}")


@pytest.mark.parametrize("word", [*EXTENSIONS, "in", "flags", "starts", "first", "later", "ef"])
def test_words_of_the_extensions_are_not_reserved(oracle: Libpcap, word: str) -> None:
    with pytest.raises(LibpcapError, match="unknown port"):
        oracle.compile(f"port {word}")
