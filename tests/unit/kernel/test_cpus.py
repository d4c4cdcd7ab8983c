"""Which CPUs there may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbpf.errors import InputError, NotFoundError
from netbpf.kernel import cpus


@pytest.mark.parametrize(
    ("text", "possible", "bound"),
    [("0\n", 1, 1), ("0-3\n", 4, 4), ("0-3,8-11\n", 8, 12), ("0,2,4\n", 3, 5)],
)
def test_numbers(
    text: str, possible: int, bound: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "possible"
    file.write_text(text)
    monkeypatch.setattr(cpus, "_POSSIBLE", str(file))
    assert (cpus.possible(), cpus.bound()) == (possible, bound)


def test_what_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "_POSSIBLE", str(tmp_path / "missing"))
    with pytest.raises(NotFoundError, match="cannot read"):
        cpus.bound()
    with pytest.raises(InputError, match="not a list of CPUs: 'many'"):
        cpus.count("many")
