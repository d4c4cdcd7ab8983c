"""Kernels as Debian packs them, fetched by apt beside the machine's own apt.

Sources, lists and downloads have a folder of their own; the machine's are read, to learn which
mirror it uses, and never written. Sources: apt-get(8), apt.conf(5), the packages' control files.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIRROR = "NETBPF_DEBIAN_MIRROR"
META_PACKAGE = "linux-image-amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SECURITY = "Debian-Security"  # the label of its Release files


class FetchError(Exception):
    """A kernel could not be fetched; the message says why, for the user."""


@dataclass(frozen=True)
class Mirrors:
    """Where Debian's packages come from; `security` may be ''."""

    main: str
    security: str = ""

    def sources(self, suite: str) -> str:
        """Return the sources.list for a suite and its security updates."""
        lines = [f"deb [signed-by={KEYRING}] {self.main} {suite} main\n"]
        if self.security and suite != "sid":
            lines += [f"deb [signed-by={KEYRING}] {self.security} {suite}-security main\n"]
        return "".join(lines)


def mirrors() -> Mirrors:
    """Return the mirrors of the environment, or those that this machine's apt uses."""
    if MIRROR in os.environ:
        return Mirrors(*os.environ[MIRROR].split())
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    return parse_mirrors(_run("apt-get", "indextargets", "--format", form, "Identifier: Packages"))


def parse_mirrors(targets: str) -> Mirrors:
    """Read lines `origin|label|address`, as apt tells them of its sources."""
    found: dict[str, str] = {}
    for line in targets.splitlines():
        origin, label, address = line.split("|")
        if origin == "Debian":
            found.setdefault(label, address)
    if "Debian" not in found:
        raise FetchError(
            "apt knows no mirror of Debian here: run `apt-get update`, or give its address, and"
            f" that of Debian's security updates behind a space, in {MIRROR}"
        )
    return Mirrors(found["Debian"], found.get(SECURITY, ""))


class Archive:
    """One suite of Debian, seen through an apt whose files are all in `folder`."""

    def __init__(self, folder: Path, suite: str) -> None:
        self.folder = folder
        self.suite = suite

    def update(self) -> None:
        """Fetch the lists of packages."""
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "sources.list").write_text(mirrors().sources(self.suite))
        self._apt("apt-get", "--quiet", "update", "--error-on=any")

    def kernel_packages(self) -> tuple[str, list[str]]:
        """Return the release of the newest kernel, such as 6.1.0-56-amd64, and its packages."""
        image = next(iter(self._depends(META_PACKAGE, r"linux-image-\d\S+")), None)
        if image is None:
            raise FetchError(f"{self.suite} has no {META_PACKAGE}")
        release = image.removeprefix("linux-image-")
        # Since Linux 6.19 the image and the modules are packages that this one depends on.
        parts = self._depends(image, rf"linux-(?:binary|modules|base)-{re.escape(release)}")
        return release, [image, *parts]

    def unpack(self, packages: list[str], into: Path) -> None:
        """Download the packages, and unpack their files beneath `into`; nothing is installed."""
        downloads = self.folder / "downloads"
        downloads.mkdir(exist_ok=True)
        self._apt("apt-get", "--quiet", "download", *packages, cwd=downloads)
        for package in sorted(downloads.glob("*.deb")):
            _run("dpkg", "-x", str(package), str(into))
            package.unlink()

    def _depends(self, package: str, pattern: str) -> list[str]:
        control = self._apt("apt-cache", "show", "--no-all-versions", package)
        return list(_matching_dependencies(control, pattern))

    def _apt(self, program: str, *words: str, cwd: Path | None = None) -> str:
        options = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State::lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",  # who else could not write below a home
        }
        options_ = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return _run(program, *options_, *words, cwd=cwd)


def _matching_dependencies(control: str, pattern: str) -> Iterator[str]:
    for field in re.findall(r"^Depends: (.*)$", control, re.MULTILINE):
        for entry in field.split(","):
            name = entry.split()[0]
            if re.fullmatch(pattern, name):
                yield name


def _run(*command: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    except FileNotFoundError:
        raise FetchError(f"{command[0]} is not installed: this needs Debian or Ubuntu") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise FetchError(f"`{command[0]} … {command[-1]}` failed: {'; '.join(last)}")
    return done.stdout
