"""Compiling must start fast: it imports nothing that needs a kernel, a network or a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pyroute2", "scapy", "elftools", "rich", "ctypes", "socket", "subprocess"}


def imported_by(code: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has imported after `code`."""
    shown = "import sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{shown}"], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("module", ["netbpf", "netbpf.compiler", "netbpf.cli.main"])
def test_import_is_light(module: str) -> None:
    # click imports some of them by itself.
    assert not imported_by(f"import {module}") & (HEAVY - imported_by("import click"))


@pytest.mark.parametrize("target", ["cbpf", "xdp", "tc", "socket"])
def test_compile_command_is_light(target: str) -> None:
    run = f"main(['compile', 'tcp dst port 80', '--target', '{target}', '--no-names'])"
    code = (
        f"from netbpf.cli.main import main\ntry: {run}\nexcept SystemExit as e: assert not e.code"
    )
    forbidden = {"pyroute2", "scapy", "elftools", "rich"}
    loaded = imported_by(code)
    assert "netbpf.compiler" in loaded
    assert not loaded & forbidden
