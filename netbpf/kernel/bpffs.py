"""The BPF file system, on which programs, maps and links get names (kernel/bpf/inode.c)."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import suppress
from errno import EBUSY, ENOENT
from pathlib import Path

from netbpf.errors import ConflictError, KernelError, NotFoundError
from netbpf.kernel.errors import kernel_error
from netbpf.kernel.privilege import read
from netbpf.uapi.capability import Cap

USUAL = Path("/sys/fs/bpf")
_VARIABLE = "NETBPF_BPFFS"


def root() -> Path:
    """Return the mount point to use: $NETBPF_BPFFS, else /sys/fs/bpf."""
    return Path(os.environ.get(_VARIABLE) or USUAL)


def mounted(path: Path) -> bool:
    """Whether `path` is on a BPF file system, by /proc/self/mountinfo (proc(5))."""
    wanted = path.resolve()
    found, kind = Path("/"), ""
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, behind = line.partition(" - ")
        point = Path(_unescape(before.split()[4]))
        # The deepest mount point counts; of those at one place, the last.
        if (wanted == point or point in wanted.parents) and len(point.parts) >= len(found.parts):
            found, kind = point, behind.split()[0]
    return kind == "bpf"


def ensure(path: Path, *, may_mount: bool = False) -> None:
    """Make sure that `path` is on a BPF file system, mounted there if `may_mount`.

    Raises NotFoundError or PrivilegeError with the command that mounts it.
    """
    if mounted(path):
        return
    if not may_mount:
        raise NotFoundError(f"no BPF file system is mounted at {path}", remedy=remedy(path))
    mount(path)


def mount(path: Path) -> None:
    """Mount a BPF file system at `path`, which only root may then enter.

    Raises ConflictError where that would hide something, PrivilegeError, NotFoundError.
    """
    with suppress(OSError):
        if any(path.iterdir()):
            raise ConflictError(f"{path} is not empty: a BPF file system would hide what is there")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", os.fsencode(path), b"bpf", 0, b"mode=0700") == 0:
        return
    code = ctypes.get_errno()
    if code == ENOENT:
        raise NotFoundError(f"cannot mount a BPF file system: there is no directory {path}")
    if code == EBUSY and mounted(path):
        return
    raise _refused(code, path)


def remedy(path: Path) -> str:
    """Return what mounts a BPF file system at `path`, for messages."""
    return f"mount -t bpf bpf {path}"


def _refused(code: int, path: Path) -> KernelError:
    doing = f"mount a BPF file system at {path}"
    return kernel_error(code, command="mount", doing=doing, caps=(Cap.SYS_ADMIN,))


def _unescape(text: str) -> str:
    r"""Undo the octal escapes of mountinfo: `\040` is a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
