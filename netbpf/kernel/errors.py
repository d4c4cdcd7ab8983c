"""From a failed system call to what happened and what to do about it.

`kernel_error` picks the class of error and words it; rows of `_MEANINGS` hold what an errno means
for one command, or for any. What EPERM means is found out by looking at this process.
Sources: bpf(2), kernel/bpf/syscall.c, net/core/dev.c.
Depends on errors, uapi, kernel.privilege; raised by everything above.
"""

from __future__ import annotations

import os
from errno import (
    E2BIG,
    EACCES,
    EBADF,
    EBUSY,
    EEXIST,
    EINVAL,
    EMFILE,
    EMSGSIZE,
    ENFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
)

from netbpf.errors import (
    AttachError,
    KernelError,
    NotSupportedError,
    PrivilegeError,
)
from netbpf.kernel import privilege, version
from netbpf.records import dataclass
from netbpf.uapi.bpf import Cmd
from netbpf.uapi.capability import Cap

ENOTSUPP = 524  # of the kernel's inside, but it reaches user space from BPF and drivers

_ROOT = "run it as root (sudo), or give the process {caps}"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What `errno` says when `command` (None: any) returns it; `since` makes it NotSupported."""

    command: Cmd | str | None
    errno: int
    message: str
    remedy: str = ""
    since: str = ""


_MEANINGS = (
    _Meaning(Cmd.PROG_LOAD, E2BIG, "the program is larger than this kernel allows",
             "use a shorter expression, or sets (`in {...}`) instead of long lists"),
    _Meaning(Cmd.PROG_LOAD, EINVAL, "this kernel does not know the program's type or flags",
             "`netbpf doctor` shows what this kernel has"),
    _Meaning(Cmd.MAP_CREATE, EINVAL, "this kernel does not know the map's type, sizes or flags",
             "`netbpf doctor` shows what this kernel has"),
    _Meaning(Cmd.MAP_CREATE, E2BIG, "the map is larger than this kernel allows",
             "ask for fewer entries"),
    _Meaning(Cmd.MAP_UPDATE_ELEM, E2BIG, "the map is full"),
    _Meaning(Cmd.MAP_UPDATE_BATCH, E2BIG, "the map is full"),
    _Meaning(Cmd.LINK_CREATE, EINVAL, "this kernel has no BPF link for this hook",
             since="5.9 (XDP), 6.6 (tcx)"),
    _Meaning(Cmd.LINK_CREATE, EBUSY, "another program is attached there"),
    _Meaning(Cmd.LINK_CREATE, EEXIST, "another program is attached there"),
    _Meaning(Cmd.LINK_CREATE, ERANGE, "the MTU is too large for native XDP, or the hook is full"),
    _Meaning(Cmd.LINK_CREATE, EOPNOTSUPP, "the driver has no native XDP"),
    _Meaning(Cmd.LINK_CREATE, ENODEV, "the interface is gone"),
    _Meaning(Cmd.PROG_TEST_RUN, EINVAL, "the kernel does not make such a packet for it"),
    _Meaning(Cmd.PROG_TEST_RUN, EMSGSIZE, "before Linux 5.18 it takes less than a page at XDP"),
    _Meaning(Cmd.OBJ_PIN, EINVAL, "the path is not on a BPF file system",
             "mount one: mount -t bpf bpf /sys/fs/bpf"),
    _Meaning(Cmd.OBJ_PIN, EPERM, "the path is not on a BPF file system, or may not be written",
             "mount one: mount -t bpf bpf /sys/fs/bpf"),
    _Meaning(Cmd.OBJ_PIN, EEXIST, "the path exists already"),
    _Meaning(Cmd.OBJ_PIN, ENOENT, "the directory does not exist"),
    _Meaning(Cmd.OBJ_GET, ENOENT, "nothing is pinned there"),
    _Meaning(Cmd.OBJ_GET, EINVAL, "the path is not on a BPF file system"),
    _Meaning("SO_ATTACH_BPF", ENOMEM, "the program is larger than net.core.optmem_max",
             "sysctl net.core.optmem_max=131072, which is the default since Linux 6.8; or a "
             "shorter expression, or less to count by"),
    _Meaning("SO_ATTACH_FILTER", ENOMEM, "the filter is larger than net.core.optmem_max",
             "sysctl net.core.optmem_max=131072, which is the default since Linux 6.8"),
    _Meaning(None, EMFILE, "this process has too many open files",
             "raise the limit: ulimit -n 65536"),
    _Meaning(None, ENFILE, "the system has too many open files", "raise fs.file-max"),
    _Meaning(None, ENOMEM, "the kernel is out of memory",
             "ask for smaller tables, or raise the memory limit of the cgroup"),
    _Meaning(None, ENOSYS, "this kernel has no bpf(2)",
             "use a kernel built with CONFIG_BPF_SYSCALL=y", since="3.18"),
    _Meaning(None, EOPNOTSUPP, "this kernel or driver cannot do that"),
    _Meaning(None, ENOTSUPP, "this kernel or driver cannot do that"),
    _Meaning(None, ENOENT, "it does not exist"),
    _Meaning(None, EBADF, "the file descriptor is closed, or of another kind"),
)  # fmt: skip


def kernel_error(
    code: int, *, command: Cmd | str, doing: str, caps: tuple[Cap, ...]
) -> KernelError:
    """Word the failure `code` of `command`. `doing` completes "cannot ...".

    `caps` are the capabilities that the command asks for.
    """
    name = f"BPF_{command.name}" if isinstance(command, Cmd) else command
    if code in (EPERM, EACCES) and command is not Cmd.OBJ_PIN:
        return refused(code, command=name, doing=doing, caps=caps)
    meaning = _meaning(command, code)
    reason = meaning.message if meaning else os.strerror(code).lower()
    remedy = meaning.remedy if meaning else ""
    message = f"cannot {doing}: {reason}"
    if (meaning and meaning.since) or code in (EOPNOTSUPP, ENOTSUPP, ENOSYS):
        since = meaning.since if meaning else ""
        return NotSupportedError(
            message, command=name, errno=code, since=since, remedy=remedy or _newer(since)
        )
    if command in (Cmd.LINK_CREATE, Cmd.LINK_UPDATE):
        return AttachError(message, command=name, errno=code, remedy=remedy)
    return KernelError(message, command=name, errno=code, remedy=remedy)


def refused(code: int, *, command: str, doing: str, caps: tuple[Cap, ...]) -> PrivilegeError:
    """Word an EPERM or EACCES by finding its likely cause in this process."""
    cause, remedy = _cause_of_refusal(caps)
    return PrivilegeError(f"cannot {doing}: {cause}", command=command, errno=code, remedy=remedy)


def _cause_of_refusal(caps: tuple[Cap, ...]) -> tuple[str, str]:
    lacking = " and ".join(f"CAP_{cap.name}" for cap in privilege.missing(caps))
    if lacking:
        return f"that needs {lacking}", _ROOT.format(caps=lacking)
    if privilege.in_user_namespace():
        return (
            "the capabilities of this process count only inside its user namespace",
            "run it outside of the rootless container",
        )
    if privilege.memlock_limits():
        return "RLIMIT_MEMLOCK is too small for it", "ulimit -l unlimited"
    if privilege.lockdown() not in ("", "none"):
        return f"the kernel is locked down ({privilege.lockdown()})", "see kernel_lockdown(7)"
    if privilege.seccomp_filtered():
        return "a seccomp filter of this process forbids it", "allow bpf(2) in the container"
    return "the kernel does not permit it", "a security module (LSM) may have a say"


def _meaning(command: Cmd | str, code: int) -> _Meaning | None:
    rows = [row for row in _MEANINGS if row.errno == code and row.command in (command, None)]
    return rows[0] if rows else None


def _newer(since: str) -> str:
    if not since:
        return ""
    return f"use Linux {since} or newer; this is {version.running()}"
