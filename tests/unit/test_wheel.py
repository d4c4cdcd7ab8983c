"""The wheel works by itself: in a clean environment, away from the checkout."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin directory of a fresh virtual environment with the wheel in it."""
    base = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", ".", str(REPOSITORY)], base)
    (wheel,) = base.glob("netbpf-*.whl")
    run([sys.executable, "-m", "venv", "--without-pip", "venv"], base)
    python = base / "venv/bin/python"
    run([*pip, "--python", str(python), "install", "--quiet", str(wheel)], base)
    return python.parent


def run(command: list[str], where: Path) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help(installed: Path) -> None:
    shown = run([str(installed / "netbpf"), "--help"], installed)
    assert "compile" in shown
    assert "filter" in shown


def test_compiles(installed: Path) -> None:
    shown = run([str(installed / "netbpf"), "compile", "tcp dst port 80", "-ddd"], installed)
    count, *insns = shown.splitlines()
    assert int(count) == len(insns) > 4


def test_holds_types_and_licences(installed: Path) -> None:
    code = "import netbpf, pathlib; print(pathlib.Path(netbpf.__file__).parent)"
    package = (
        installed / run([str(installed / "python"), "-c", code], installed).strip()
    ).resolve()
    assert not package.is_relative_to(REPOSITORY)
    assert (package / "py.typed").is_file()
    names = {path.name for path in package.parent.glob("netbpf-*.dist-info/licenses/*")}
    assert names == {"LICENSE.GPL-2.0", "LICENSE.BSD-2-Clause"}
