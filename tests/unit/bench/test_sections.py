"""`make bench BENCH=…` runs the sections that are named."""

from __future__ import annotations

import pytest

from tests.bench import __main__ as bench


def test_a_section_is_given_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str, list[str]]] = []
    sections = {
        name: lambda words, name=name: called.append((name, words)) for name in bench.SECTIONS
    }
    monkeypatch.setattr(bench, "SECTIONS", sections)
    bench.main(["filters:ip6,tcp dst", "match"])
    assert called == [("filters", ["ip6", "tcp dst"]), ("match", [])]
    called.clear()
    bench.main([])
    assert [name for name, _ in called] == list(sections)


def test_an_unknown_section_is_told() -> None:
    with pytest.raises(SystemExit, match=r"no section 'filter': there are .*filters"):
        bench.main(["filter"])
