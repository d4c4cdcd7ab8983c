"""What needs no trying: version, capabilities, limits, settings, file systems of this machine.

Depends on kernel.
"""

from __future__ import annotations

import os
from pathlib import Path

from netbpf.kernel import bpffs, privilege, version
from netbpf.kernel.features import Feature, Topic
from netbpf.uapi.capability import Cap

OLDEST = version.Version(5, 10)  # that netbpf is meant for

_KERNEL = Topic("kernel", str(OLDEST), "all of it")
_CAPABILITIES = Topic("capabilities")
_MEMLOCK = Topic(
    "memory for maps",
    str(privilege.MEMLOCK_FREE),
    "maps of any size that the memory limit of the cgroup allows",
    "RLIMIT_MEMLOCK bounds them, and is lifted where netbpf may",
)
_UNPRIVILEGED = Topic("kernel.unprivileged_bpf_disabled")
_LOCKDOWN = Topic("no kernel lockdown")
_JIT = Topic("BPF JIT compiler", "3.16", "speed", "programs are interpreted, with equal verdicts")
_BTF = Topic("kernel BTF", "5.4", "nothing yet: it tells what other tools can do", "as with it")
_BPFFS = Topic(
    "BPF file system",
    "4.4",
    "`--keep`, and `list`, `counters`, `detach` for what was kept",
    "`--keep` mounts one",
)
TOPICS = (_KERNEL, _CAPABILITIES, _MEMLOCK, _UNPRIVILEGED, _LOCKDOWN, _JIT, _BTF, _BPFFS)


def find() -> list[Feature]:
    """Return an answer for each of TOPICS."""
    return [
        _version(),
        _capabilities(),
        _memlock(),
        _unprivileged(),
        _lockdown(),
        _jit(),
        _btf(),
        _bpffs(),
    ]


def _version() -> Feature:
    running = version.running()
    remedy = "" if running >= OLDEST else f"use Linux {OLDEST} or newer"
    return _KERNEL.answer(running >= OLDEST, os.uname().release, remedy)


def _capabilities() -> Feature:
    wanted = (Cap.BPF, Cap.NET_ADMIN, Cap.PERFMON, Cap.NET_RAW, Cap.SYS_ADMIN)
    missing = privilege.missing(wanted)
    if privilege.in_user_namespace():
        detail = "they count only inside a user namespace"
        return _CAPABILITIES.answer(False, detail, "run netbpf outside of the rootless container")
    if missing:
        names = ", ".join(f"CAP_{cap.name}" for cap in missing)
        return _CAPABILITIES.answer(False, f"without {names}", "sudo netbpf …")
    return _CAPABILITIES.answer(True, "all that netbpf uses")


def _memlock() -> Feature:
    if privilege.memlock_limits():
        detail = "bounded by RLIMIT_MEMLOCK, which netbpf lifts where it may"
        return _MEMLOCK.answer(None, detail, "ulimit -l unlimited")
    return _MEMLOCK.answer(True, "not bounded by RLIMIT_MEMLOCK")


def _unprivileged() -> Feature:
    meaning = {
        0: "users may load socket filters",
        1: "root only, until the next boot",
        2: "root only",
    }
    setting = privilege.unprivileged_bpf()
    detail = "unknown" if setting is None else f"{setting}: {meaning.get(setting, 'unknown')}"
    # Root-only is what distributions set and what netbpf expects: nothing to mend.
    return _UNPRIVILEGED.answer(setting is not None, detail)


def _lockdown() -> Feature:
    level = privilege.lockdown()
    if level == "confidentiality":
        remedy = "boot without lockdown=confidentiality, see kernel_lockdown(7)"
        return _LOCKDOWN.answer(False, level, remedy)
    return _LOCKDOWN.answer(True, level or "not in this kernel")


def _jit() -> Feature:
    setting = privilege.read("/proc/sys/net/core/bpf_jit_enable").strip()
    if setting in ("1", "2"):
        return _JIT.answer(True, f"net.core.bpf_jit_enable is {setting}")
    if setting == "0":
        remedy = "sysctl net.core.bpf_jit_enable=1"
        return _JIT.answer(False, "programs are interpreted", remedy)
    return _JIT.answer(None, "the setting is not shown to this user")


def _btf() -> Feature:
    present = Path("/sys/kernel/btf/vmlinux").exists()
    remedy = "" if present else "a kernel with CONFIG_DEBUG_INFO_BTF=y; netbpf's filters do without"
    return _BTF.answer(present, "/sys/kernel/btf/vmlinux", remedy)


def _bpffs() -> Feature:
    root = bpffs.root()
    if not bpffs.mounted(root):
        return _BPFFS.answer(False, f"none at {root}", bpffs.remedy(root))
    if not os.access(root, os.W_OK):
        return _BPFFS.answer(None, f"{root} is not this user's to write")
    return _BPFFS.answer(True, str(root))
