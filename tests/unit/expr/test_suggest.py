"""Guesses."""

from __future__ import annotations

import pytest

from netbpf.expr.suggest import did_you_mean, guess

WORDS = ("host", "net", "port", "portrange", "proto", "src", "dst", "tcp", "udp", "multicast")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("prot", "port"),  # before 'proto', which is as close
        ("prto", "proto"),
        ("hots", "host"),
        ("TCP", "tcp"),
        ("tpc", "tcp"),
        ("ucp", "tcp"),
        ("multcast", "multicast"),
        ("mlticst", "multicast"),
        ("portrnge", "portrange"),
        ("example", None),
        ("x", None),
        ("", None),
        ("a" * 5000, None),
    ],
)
def test_guess(word: str, expected: str | None) -> None:
    assert guess(word, WORDS) == expected


def test_an_exact_word_beats_a_close_one() -> None:
    assert guess("udp", ("tdp", "udp")) == "udp"


def test_hint() -> None:
    assert did_you_mean("hst", WORDS) == "did you mean 'host'?"
    assert did_you_mean("example", WORDS) == ""
