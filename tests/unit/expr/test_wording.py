"""Errors stay readable."""

from __future__ import annotations

import pytest

from netbpf.errors import ExpressionError, Span
from netbpf.expr.parser import parse
from netbpf.expr.wording import expression_error, shorten


def test_control_codes_do_not_reach_the_terminal() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("\\foo\x1b[31m\x07\ud800 bar")
    assert "·" in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.render().replace("\n", "").isprintable()


def test_long_words_and_messages_are_cut() -> None:
    error = expression_error(f"'{'x' * 999}' is long", text="", span=Span(0, 0))
    assert error.message == f"'{'x' * 58}… is long"
    error = expression_error("word " * 99, text="", span=Span(0, 0), hint="hint " * 99)
    assert len(error.message) == len(error.hint) == 200


def test_shorten() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
