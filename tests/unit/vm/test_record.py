"""The notes that pytest leaves in a machine: complete, and readable when it stopped half-way."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import REPOSITORY
from tests.vm.record import FILE, Record, read

if TYPE_CHECKING:
    from pathlib import Path

BODY = """
import pytest

def test_passes(): pass
def test_skips(): pytest.skip("no such tool")
def test_fails(): assert 1 == 2
@pytest.fixture
def broken(): raise ValueError("in the fixture")
def test_error(broken): pass
@pytest.fixture
def untidy():
    yield
    raise ValueError("behind")
def test_teardown(untidy): pass
@pytest.mark.xfail
def test_xfail(): assert 0
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text(BODY)
    (tmp_path / "test_broken.py").write_text("import no_such_module")
    notes = tmp_path / "notes"
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "-p", "tests.vm.record"]
    subprocess.run(
        [*command, "--continue-on-collection-errors", "--rootdir", str(tmp_path), str(tmp_path)],
        env=os.environ | {FILE: str(notes)},
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
    )
    return notes


def test_what_became_of_each(written: Path) -> None:
    found = {result.test.rpartition(":")[2]: result for result in read(written).results}
    assert {name: (one.outcome, one.reason) for name, one in found.items()} == {
        "test_broken.py": ("failed", found["test_broken.py"].reason),
        "test_passes": ("passed", ""),
        "test_skips": ("skipped", "no such tool"),
        "test_fails": ("failed", "assert 1 == 2"),
        "test_error": ("failed", "ValueError: in the fixture"),
        "test_teardown": ("failed", "ValueError: behind"),
        "test_xfail": ("passed", ""),
    }
    assert read(written).unfinished == ""


def test_a_machine_that_stopped(written: Path) -> None:
    lines = written.read_text().splitlines(keepends=True)
    begun = next(n for n, line in enumerate(lines) if "begins" in line and "test_fails" in line)
    written.write_text("".join(lines[: begun + 1]) + '{"test": "tests/x')
    assert read(written).unfinished.endswith("::test_fails")
    assert all("test_fails" not in result.test for result in read(written).results)


def test_a_machine_that_never_began(tmp_path: Path) -> None:
    assert read(tmp_path / "notes") == Record(())
