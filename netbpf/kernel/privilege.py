"""What this process may do: capabilities, user namespace, seccomp, lockdown, memory limit.

Read when something was refused, to say why, and by `netbpf doctor`.
Sources: capabilities(7), proc_pid_status(5), kernel_lockdown(7).
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from netbpf.kernel.version import Version, running
from netbpf.uapi.capability import Cap

MEMLOCK_FREE = Version(5, 11)  # since then map memory is charged to the cgroup, not to the limit


def missing(wanted: Iterable[Cap]) -> list[Cap]:
    """Return the capabilities of `wanted` that this thread lacks.

    CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as it did before they existed (5.8).
    """
    held = effective()
    if Cap.SYS_ADMIN in held:
        held = held | {Cap.BPF, Cap.PERFMON}
    return [cap for cap in wanted if cap not in held]


def effective() -> frozenset[Cap]:
    """Return the effective capabilities of this thread, of those that netbpf knows."""
    bits = int(status_field("CapEff") or "0", 16)
    return frozenset(cap for cap in Cap if bits >> cap & 1)


def in_user_namespace() -> bool:
    """Whether capabilities count only inside a user namespace, as in rootless containers."""
    words = read("/proc/self/uid_map").split()
    return bool(words) and words != ["0", "0", "4294967295"]


def seccomp_filtered() -> bool:
    """Whether a seccomp filter looks at this thread's system calls."""
    return status_field("Seccomp") == "2"


def lockdown() -> str:
    """Return 'none', 'integrity', 'confidentiality', or '' where it cannot be known."""
    found = re.search(r"\[(\w+)\]", read("/sys/kernel/security/lockdown"))
    return found[1] if found else ""


def unprivileged_bpf() -> int | None:
    """Return kernel.unprivileged_bpf_disabled: 0 allowed, 1 off for good, 2 off; None unknown."""
    text = read("/proc/sys/kernel/unprivileged_bpf_disabled").strip()
    return int(text) if text.isdigit() else None


def memlock_limits() -> bool:
    """Whether RLIMIT_MEMLOCK bounds BPF memory in this kernel, and is finite."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return running() < MEMLOCK_FREE and soft != resource.RLIM_INFINITY


def lift_memlock() -> bool:
    """Lift RLIMIT_MEMLOCK where it bounds BPF memory; False where that changes nothing."""
    if not memlock_limits():
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
        return True
    if soft == hard:
        return False
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
    return True


def status_field(name: str) -> str:
    """Return a line's value from /proc/thread-self/status, or ''."""
    found = re.search(rf"^{name}:\s*(\S+)", read("/proc/thread-self/status"), re.MULTILINE)
    return found[1] if found else ""


def read(path: str) -> str:
    """Return a small file's text, or '' where it is absent or forbidden."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
