"""vagrant/Vagrantfile: Vagrant accepts it, for both providers, and it copies what it should."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import REPOSITORY, require_tool

FOLDER = REPOSITORY / "vagrant"


def vagrant(state: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Vagrant with all that it writes in `state`, and without a look at the network."""
    settings |= {
        "VAGRANT_HOME": str(state / "home"),
        "VAGRANT_DOTFILE_PATH": str(state / "dot"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }
    return subprocess.run(
        [require_tool("vagrant"), *words],
        cwd=FOLDER,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def require_provider(state: Path, provider: str) -> dict[str, str]:
    """Return the settings with which Vagrant knows a provider, or skip the test."""
    settings = {"VAGRANT_DEFAULT_PROVIDER": provider}
    if provider == "libvirt":
        if "vagrant-libvirt" not in vagrant(state, "plugin", "list").stdout:
            pytest.skip("vagrant-libvirt is not installed")
        return settings
    # To look at VirtualBox's settings, Vagrant asks it for its version, and for nothing else.
    stub = state / "VBoxManage"
    stub.write_text("#!/bin/sh\necho 7.0.0r1\n")
    stub.chmod(0o755)
    return {**settings, "PATH": f"{state}:{os.environ['PATH']}"}


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrant_accepts_it(provider: str, tmp_path: Path) -> None:
    done = vagrant(tmp_path, "validate", **require_provider(tmp_path, provider))
    assert (done.returncode, done.stderr) == (0, "")
    assert "Vagrantfile validated successfully." in done.stdout


def test_what_is_copied_is_what_git_has() -> None:
    """The Vagrantfile reads .gitignore as rsync's patterns: names alone mean the same to both."""
    lines = [line for line in (REPOSITORY / ".gitignore").read_text().splitlines() if line]
    assert all("/" not in line.rstrip("/") and line[0] not in "!#" for line in lines)
    assert {".venv/", ".vagrant/"} <= set(lines)
