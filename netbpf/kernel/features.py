"""What this kernel and this user can do, found out by trying.

A row of `_PROBES` is a feature, the first Linux that has it, and a function that uses it: what it
returns is shown as a detail, what it raises is the reason why not. Versions only inform; a kernel
may have features from later ones. Attach points are probed in link.features.
Depends on asm (for programs to try), kernel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Insn
from netbpf.asm.helpers import Helper
from netbpf.errors import NetbpfError, PrivilegeError
from netbpf.kernel import bpffs, maps, privilege, progs, testrun, version
from netbpf.records import dataclass
from netbpf.uapi.bpf import AttachType, MapFlag, MapType, ProgFlag, ProgType
from netbpf.uapi.capability import Cap

OLDEST = version.Version(5, 10)  # that netbpf is meant for


@dataclass(frozen=True, slots=True)
class Feature:
    """An answer. `available` is None where this user cannot find out.

    `since` is the first Linux version that has the feature, '' where that is no matter of version;
    `remedy` says what to do about a "no", or is ''.
    """

    name: str
    available: bool | None
    since: str = ""
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out: `ask` returns a detail, or raises the reason why not."""

    name: str
    since: str
    ask: Callable[[], str]
    remedy: str = ""


def probe_kernel() -> list[Feature]:
    """Find out about programs, maps and test runs, by making some and letting go of them."""
    return answers(_PROBES)


def facts() -> list[Feature]:
    """Return what needs no trying: version, capabilities, limits, settings, file systems."""
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


def answers(probes: Iterable[Probe]) -> list[Feature]:
    """Ask every probe."""
    return [_answer(probe) for probe in probes]


def _answer(probe: Probe) -> Feature:
    try:
        return Feature(probe.name, True, probe.since, probe.ask())
    except PrivilegeError:
        unknown = "known only by trying, which this user may not"
        return Feature(probe.name, None, probe.since, unknown, "sudo netbpf doctor")
    except NetbpfError as error:
        newer = f"use Linux {probe.since} or newer" if probe.since else ""
        return Feature(probe.name, False, probe.since, error.message, probe.remedy or newer)


def _version() -> Feature:
    running = version.running()
    remedy = "" if running >= OLDEST else f"use Linux {OLDEST} or newer"
    return Feature("kernel", running >= OLDEST, str(OLDEST), os.uname().release, remedy)


def _capabilities() -> Feature:
    wanted = (Cap.BPF, Cap.NET_ADMIN, Cap.PERFMON, Cap.NET_RAW, Cap.SYS_ADMIN)
    missing = privilege.missing(wanted)
    if privilege.in_user_namespace():
        return Feature(
            "capabilities",
            False,
            detail="they count only inside a user namespace",
            remedy="run netbpf outside of the rootless container",
        )
    if missing:
        names = ", ".join(f"CAP_{cap.name}" for cap in missing)
        return Feature("capabilities", False, detail=f"without {names}", remedy="sudo netbpf …")
    return Feature("capabilities", True, detail="all that netbpf uses")


def _memlock() -> Feature:
    if privilege.memlock_limits():
        return Feature(
            "memory for maps",
            None,
            detail="bounded by RLIMIT_MEMLOCK, which netbpf lifts where it may",
            remedy="ulimit -l unlimited",
        )
    return Feature("memory for maps", True, detail="not bounded by RLIMIT_MEMLOCK")


def _unprivileged() -> Feature:
    meaning = {
        0: "users may load socket filters",
        1: "root only, until the next boot",
        2: "root only",
    }
    setting = privilege.unprivileged_bpf()
    detail = "unknown" if setting is None else f"{setting}: {meaning.get(setting, 'unknown')}"
    # Root-only is what distributions set and what netbpf expects: nothing to mend.
    return Feature("kernel.unprivileged_bpf_disabled", setting is not None, detail=detail)


def _lockdown() -> Feature:
    level = privilege.lockdown()
    if level == "confidentiality":
        return Feature(
            "no kernel lockdown",
            False,
            detail=level,
            remedy="boot without lockdown=confidentiality, see kernel_lockdown(7)",
        )
    return Feature("no kernel lockdown", True, detail=level or "not in this kernel")


def _jit() -> Feature:
    setting = privilege.read("/proc/sys/net/core/bpf_jit_enable").strip()
    if setting in ("1", "2"):
        return Feature("BPF JIT compiler", True, "3.0", f"net.core.bpf_jit_enable is {setting}")
    if setting == "0":
        remedy = "sysctl net.core.bpf_jit_enable=1"
        return Feature("BPF JIT compiler", False, "3.0", "programs are interpreted", remedy)
    return Feature("BPF JIT compiler", None, "3.0", "the setting is not shown to this user")


def _btf() -> Feature:
    present = Path("/sys/kernel/btf/vmlinux").exists()
    remedy = "" if present else "a kernel with CONFIG_DEBUG_INFO_BTF=y; netbpf's filters do without"
    return Feature("kernel BTF", present, "5.4", "/sys/kernel/btf/vmlinux", remedy)


def _bpffs() -> Feature:
    root = bpffs.root()
    if not bpffs.mounted(root):
        return Feature("BPF file system", False, "4.4", f"none at {root}", bpffs.remedy(root))
    if not os.access(root, os.W_OK):
        return Feature("BPF file system", None, "4.4", f"{root} is not this user's to write")
    return Feature("BPF file system", True, "4.4", str(root))


_RETURN_0 = (ebpf.mov(0, 0), ebpf.leave())
_FRAME = bytes(12) + b"\x08\x00" + bytes(50)


def _loads(type_: ProgType, attach_type: AttachType | None = None) -> Callable[[], str]:
    def ask() -> str:
        with _loaded(type_, _RETURN_0, attach_type):
            return ""

    return ask


@contextmanager
def _loaded(
    type_: ProgType,
    insns: tuple[Insn, ...],
    attach_type: AttachType | None = None,
    flags: ProgFlag = ProgFlag(0),
) -> Iterator[int]:
    image = progs.Image(
        type=type_,
        insns=ebpf.encode(insns),
        license="Dual BSD/GPL",
        name="netbpf_probe",
        attach_type=attach_type,
        flags=flags,
    )
    fd, _ = progs.load(image)
    try:
        yield fd
    finally:
        os.close(fd)


def _makes(type_: MapType) -> Callable[[], str]:
    def ask() -> str:
        with _made(type_):
            return ""

    return ask


@contextmanager
def _made(type_: MapType, flags: MapFlag = MapFlag(0)) -> Iterator[int]:
    fd = maps.create(
        type_, key_size=4, value_size=8, max_entries=4, flags=flags, name="netbpf_probe"
    )
    try:
        yield fd
    finally:
        os.close(fd)


def _reads_batches() -> str:
    with _made(MapType.HASH) as fd:
        maps.update(fd, bytes(4), bytes(8))
        read = maps.lookup_batch(fd, None, key_size=4, value_size=8, count=4)
    return f"{read.count} entry read"


def _freezes() -> str:
    with _made(MapType.ARRAY, MapFlag.RDONLY_PROG) as fd:
        maps.freeze(fd)
    return ""


def _runs(type_: ProgType) -> Callable[[], str]:
    def ask() -> str:
        with _loaded(type_, _RETURN_0) as fd:
            testrun.run(fd, _FRAME)
        return ""

    return ask


def _reads_fragments() -> str:
    insns = (ebpf.call(Helper.XDP_GET_BUFF_LEN), *_RETURN_0)
    with _loaded(ProgType.XDP, insns, AttachType.XDP, ProgFlag.XDP_HAS_FRAGS):
        return "packets of several buffers are read to their end"


_PROBES = (
    Probe("XDP programs", "4.8", _loads(ProgType.XDP, AttachType.XDP)),
    Probe("XDP programs for jumbo frames", "5.18", _reads_fragments, "filter at tc or socket"),
    Probe("tc programs", "4.1", _loads(ProgType.SCHED_CLS)),
    Probe("socket filter programs", "3.19", _loads(ProgType.SOCKET_FILTER)),
    Probe("per-CPU arrays", "4.6", _makes(MapType.PERCPU_ARRAY)),
    Probe("per-CPU LRU hash tables", "4.10", _makes(MapType.LRU_PERCPU_HASH)),
    Probe("batched map reads", "5.6", _reads_batches, "none needed: counters are read one by one"),
    Probe("frozen maps", "5.2", _freezes),
    Probe("test runs at XDP", "4.12", _runs(ProgType.XDP)),
    Probe("test runs at tc", "4.12", _runs(ProgType.SCHED_CLS)),
)
