"""Which kernels the tests run on, and the folder that they are kept in.

A kernel is unpacked once, to CACHE/NAME/{boot,lib/modules}, and used from there until `renew`
fetches a newer one. ~/.cache/netbpf/kernels is the folder, unless NETBPF_KERNELS names another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netbpf.kernel.version import Version, parse
from tests.vm.debian import Archive, FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = "NETBPF_KERNELS"
# Of apt's own files, besides downloads, which are removed as they are unpacked.
APT = "apt"


@dataclass(frozen=True)
class Wanted:
    """A kernel to test on: the name to ask for it by, and the suite of Debian it comes from."""

    name: str
    suite: str


KERNELS = (
    Wanted("5.10", "bullseye"),  # the oldest that netbpf is meant for
    Wanted("6.1", "bookworm"),
    Wanted("6.12", "trixie"),
    Wanted("sid", "sid"),  # the newest there is
)


@dataclass(frozen=True)
class Kernel:
    """A kernel that is there: boot/vmlinuz-RELEASE and lib/modules/RELEASE beneath `folder`."""

    name: str
    folder: Path
    release: str

    @property
    def image(self) -> Path:
        return self.folder / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.folder / "lib" / "modules" / self.release

    @property
    def version(self) -> Version:
        return parse(self.release)


def cache() -> Path:
    """Return the folder of the kernels, which may not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(CACHE) or Path(base, "netbpf", "kernels"))


def obtain(wanted: Wanted, say: Callable[[str], None], *, renew: bool = False) -> Kernel:
    """Return a kernel, fetched now unless it is there. Raises FetchError.

    With `renew` a newer one is fetched, if there is one. `say` is told what takes time.
    """
    folder = cache() / wanted.name
    kept = _kept(wanted, folder)
    if kept and not renew:
        return kept
    archive = Archive(cache() / APT / wanted.suite, wanted.suite)
    archive.update()
    release, packages = archive.kernel_packages()
    if kept and kept.release == release:
        return kept
    say(f"fetching Linux {release} of Debian {wanted.suite}")
    fresh = folder.with_suffix(f".{os.getpid()}")
    try:
        archive.unpack(packages, fresh)
        _settle(fresh, release)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    made = _kept(wanted, folder)
    if made is None:
        raise FetchError(f"the packages of Linux {release} hold no kernel image")
    return made


def _kept(wanted: Wanted, folder: Path) -> Kernel | None:
    images = list(folder.glob("boot/vmlinuz-*"))
    if len(images) != 1:
        return None
    return Kernel(wanted.name, folder, images[0].name.removeprefix("vmlinuz-"))


def _settle(folder: Path, release: str) -> None:
    """Bring what the packages of different years hold into one order, and index the modules."""
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to("usr/lib")
    inside = folder / "lib" / "modules" / release / "vmlinuz"  # since Linux 6.19
    if inside.exists():
        (folder / "boot").mkdir(exist_ok=True)
        inside.rename(folder / "boot" / f"vmlinuz-{release}")
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    depmod = shutil.which("depmod", path=path)
    if depmod is None:
        raise FetchError("depmod is not installed (package kmod)")
    subprocess.run([depmod, "-b", str(folder), release], check=True)
