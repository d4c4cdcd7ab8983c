"""A Debian of its own in a directory, for tests that install things.

Every command runs in mount and process namespaces that end with it, whatever happens: no mount
outlives a test, and the directory can always be removed.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import REPOSITORY, find_tool, require_tool

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_CERTIFICATES = "/etc/pip-certificates.pem"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MINUTE = 60


class Chroot:
    """A minimal Debian of a release, as debootstrap makes it, without the user's environment."""

    def __init__(self, root: Path, release: str) -> None:
        self.root = root
        self._binds: list[Path] = []
        root.chmod(0o755)  # users of the chroot go through it, and a test's directory is private
        command = [require_tool("debootstrap"), "--variant=minbase", f"--keyring={_keyring()}"]
        # It mounts /proc in there, and forgets to unmount it when it is killed.
        self._run([*_namespaces(), *command, release, str(root), *_mirror(release)], 10 * _MINUTE)
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        self._set_pip_up()

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root, as after a boot: nothing is mounted but /proc and /sys."""
        mounts = [f"mount -t sysfs sysfs {self._quoted(Path('/sys'))}"]
        mounts += [f"mount --bind {shlex.quote(str(d))} {self._quoted(d)}" for d in self._binds]
        script = "\n".join(["set -eu", *mounts, 'exec chroot "$0" "$@"'])
        enter = [*_namespaces(), f"--mount-proc={self.root}/proc", "sh", "-c", script]
        return self._run([*enter, str(self.root), *command], 15 * _MINUTE, check=check)

    def copy_checkout(self, to: str) -> None:
        """Copy what Vagrant would: all but .git and what git ignores."""
        ignored = [line.rstrip("/") for line in (REPOSITORY / ".gitignore").read_text().split()]
        target = self.root / to.lstrip("/")
        ignore = shutil.ignore_patterns(".git", *ignored)
        shutil.copytree(REPOSITORY, target, symlinks=True, ignore=ignore)

    def text(self, path: str) -> str:
        """Return a file's text."""
        return (self.root / path.lstrip("/")).read_text()

    def _quoted(self, path: Path) -> str:
        return shlex.quote(f"{self.root}{path}")

    def _run(
        self, command: list[str], seconds: float, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        proxies = {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
        done = subprocess.run(
            command,
            env={"PATH": _PATH, "LANG": "C.UTF-8", **proxies},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done

    def _set_pip_up(self) -> None:
        """Let pip in there find what pip out here finds."""
        lines = ["[global]"]
        for name, value in _pip_settings().items():
            if name == "cert":
                shutil.copy(value, self.root / _CERTIFICATES.lstrip("/"))
                value = _CERTIFICATES
            lines.append(f"{name} = " + value.replace("\n", "\n    "))
            for path in re.findall(r"(?:^|\s)(?:file://)?(/\S+)", value):
                self._show(Path(path))
        (self.root / "etc/pip.conf").write_text("\n".join(lines) + "\n")

    def _show(self, path: Path) -> None:
        """Have a directory of this machine in there, too: an index links to its neighbours."""
        whole = Path(*path.parts[:3])
        if whole.is_dir() and whole not in self._binds:
            (self.root / whole.relative_to("/")).mkdir(parents=True, exist_ok=True)
            self._binds.append(whole)


def _namespaces() -> list[str]:
    """Return the words that run a command in namespaces of its own, at most as long as we live."""
    dying = [require_tool("setpriv"), "--pdeathsig", "KILL"]
    return [*dying, require_tool("unshare"), "--mount", "--pid", "--fork", "--kill-child"]


def _keyring() -> Path:
    if not _KEYRING.exists():
        pytest.skip("debian-archive-keyring is not installed")
    return _KEYRING


def _mirror(release: str) -> list[str]:
    """Return the mirror that this machine's apt has the release from; [] for debootstrap's own."""
    apt = find_tool("apt-get")
    if apt is None:
        return []
    wanted = ["--format", "$(REPO_URI)", f"Codename: {release}", "Created-By: Packages"]
    found = subprocess.run(
        [apt, "indextargets", *wanted], capture_output=True, text=True, check=False
    )
    return [uri for uri in found.stdout.split() if uri.startswith("http")][:1]


def _pip_settings() -> dict[str, str]:
    """Return what `pip config list` says of this machine, without the commands' own settings."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    settings = re.findall(r"^(?:global|site|user|:env:)\.([\w-]+)=(.*)$", listed, re.MULTILINE)
    return {name: str(ast.literal_eval(value)) for name, value in settings}
