"""A skip that continuous integration does not expect fails its run, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


MISSING = "no-such-tool is not installed"
IN_A_TEST = "def test(): skip({!r})"
AT_THE_TOP = "skip({!r}, allow_module_level=True)"


@pytest.mark.parametrize(
    ("body", "reason", "ci", "status"),
    [
        (IN_A_TEST, MISSING, "true", 1),
        (AT_THE_TOP, MISSING, "true", 1),
        (IN_A_TEST, MISSING, "", 0),
        (IN_A_TEST, "cases.json is not in ../shared/data", "true", 0),
    ],
)
def test_unexpected_skip(body: str, reason: str, ci: str, status: int, tmp_path: Path) -> None:
    test = tmp_path / "test_one.py"
    passes = "def test_passes(): pass"
    test.write_text(f"from pytest import skip\n{passes}\n{body.format(reason)}\n")
    other = tmp_path / "test_two.py"
    other.write_text(passes)
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "tests.conftest"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        env=os.environ | {"CI": ci},
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout
    assert ("FAILED by an unexpected skip" in done.stdout) == bool(status)
