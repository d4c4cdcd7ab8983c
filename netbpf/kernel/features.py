"""What this kernel can do, found out by trying.

A row of `PROBES` is a feature and a function that uses it: what it returns is shown as a detail,
what it raises is the reason why not. Versions only inform; a kernel may have features from later
ones. What needs no trying is in kernel.facts, attach points are probed in link.features;
docs/kernels.md shows all of them. Depends on asm (for programs to try), kernel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Insn
from netbpf.asm.helpers import Helper
from netbpf.errors import NetbpfError, PrivilegeError
from netbpf.kernel import buff, cpus, maps, progs, testrun
from netbpf.records import dataclass
from netbpf.uapi.bpf import AttachType, MapFlag, MapType, ProgFlag, ProgType


@dataclass(frozen=True, slots=True)
class Feature:
    """An answer. `available` is None where this user cannot find out.

    `since` is the first Linux version that has the feature, '' where that is no matter of version;
    `remedy` says what to do about a "no", `without` what netbpf does meanwhile, or they are ''.
    """

    name: str
    available: bool | None
    since: str = ""
    detail: str = ""
    remedy: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be asked: a name, `since` as in Feature, what netbpf uses it for, and does without.

    With `without` '' it cannot do without: what needs the feature is refused.
    """

    name: str
    since: str = ""
    use: str = ""
    without: str = ""

    def answer(self, available: bool | None, detail: str = "", remedy: str = "") -> Feature:
        """Return an answer."""
        return Feature(self.name, available, self.since, detail, remedy, self.without)


@dataclass(frozen=True, slots=True)
class Probe:
    """How to find out: `ask` returns a detail, or raises the reason why not."""

    topic: Topic
    ask: Callable[[], str]
    remedy: str = ""


def probe_kernel() -> list[Feature]:
    """Find out about programs, maps and test runs, by making some and letting go of them."""
    return answers(PROBES)


def answers(probes: Iterable[Probe]) -> list[Feature]:
    """Ask every probe."""
    return [_answer(probe) for probe in probes]


def _answer(probe: Probe) -> Feature:
    topic = probe.topic
    try:
        return topic.answer(True, probe.ask())
    except PrivilegeError:
        unknown = "known only by trying, which this user may not"
        return topic.answer(None, unknown, "sudo netbpf doctor")
    except NetbpfError as error:
        newer = f"use Linux {topic.since} or newer" if topic.since else ""
        return topic.answer(False, error.message, probe.remedy or newer)


_RETURN_0 = (ebpf.mov(0, 0), ebpf.leave())
_FRAME = bytes(12) + b"\x08\x00" + bytes(50)
_LARGE = (4 << 20) + 8  # bytes: just above KMALLOC_MAX_SIZE with pages of 4 KiB


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
def _made(type_: MapType, flags: MapFlag = MapFlag(0), *, value_size: int = 8) -> Iterator[int]:
    fd = maps.create(
        type_, key_size=4, value_size=value_size, max_entries=4, flags=flags, name="netbpf_probe"
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


def _reads_cpus_in_batches() -> str:
    with _made(MapType.PERCPU_ARRAY) as fd:
        size = 8 * cpus.possible()
        read = maps.lookup_batch(fd, None, key_size=4, value_size=size, count=4)
    return f"{read.count} entries read"


def _holds_large_values() -> str:
    with _made(MapType.ARRAY, value_size=_LARGE):
        return ""


def _shares_memory() -> str:
    with _made(MapType.ARRAY, MapFlag.MMAPABLE):
        return ""


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


def _reads_buffers() -> str:
    buff.tried()
    return ""


def _reads_fragments() -> str:
    insns = (ebpf.call(Helper.XDP_GET_BUFF_LEN), *_RETURN_0)
    with _loaded(ProgType.XDP, insns, AttachType.XDP, ProgFlag.XDP_HAS_FRAGS):
        return "packets of several buffers are read to their end"


PROBES = (
    Probe(Topic("XDP programs", "4.8", "`--at xdp`"), _loads(ProgType.XDP, AttachType.XDP)),
    Probe(
        Topic(
            "XDP programs for jumbo frames",
            "5.18",
            "`--at xdp` where a frame has several buffers; `match --target xdp` in batches",
            "a program for frames of one buffer, which drivers take while the MTU fits a page;"
            " test runs go packet by packet",
        ),
        _reads_fragments,
        "for larger frames filter at tc or socket",
    ),
    Probe(Topic("tc programs", "4.1", "`--at tc`, `tc-egress`"), _loads(ProgType.SCHED_CLS)),
    Probe(Topic("socket filter programs", "3.19", "`--at socket`"), _loads(ProgType.SOCKET_FILTER)),
    Probe(
        Topic(
            "socket filters that read directly",
            buff.SINCE,
            "`--at socket`: packets are read without a call of the kernel's for each load",
            "they are read by such calls",
        ),
        _reads_buffers,
    ),
    Probe(
        Topic(
            "per-CPU arrays",
            "4.6",
            "totals; `--by port`, `sport`, `proto` where rows for all CPUs are too large",
        ),
        _makes(MapType.PERCPU_ARRAY),
    ),
    Probe(
        Topic("per-CPU LRU hash tables", "4.10", "`--by src`, `dst`, `flow`"),
        _makes(MapType.LRU_PERCPU_HASH),
    ),
    Probe(
        Topic(
            "batched map reads",
            "5.6",
            "reading the tables of `--by src`, `dst`, `flow`",
            "their entries are read one by one",
        ),
        _reads_batches,
    ),
    Probe(
        Topic(
            "batched reads of per-CPU arrays",
            "5.13",
            "reading the tables of `--by port`, `sport`, `proto` that are per-CPU arrays",
            "their entries are read one by one, all 65,537 of a table of ports",
        ),
        _reads_cpus_in_batches,
    ),
    Probe(
        Topic("frozen maps", "5.2", "sets of more than 16 ranges, which programs read directly"),
        _freezes,
    ),
    Probe(
        Topic(
            "maps in shared memory",
            "5.5",
            "totals; `--by port`, `sport`, `proto`; `match --target xdp`, `tc` in batches",
            "test runs go packet by packet",
        ),
        _shares_memory,
    ),
    Probe(
        Topic(
            "array values above 4 MiB",
            "6.0",
            "`--by port`, `sport` in rows for 4 CPUs and more;"
            " `match --target xdp`, `tc`: batches of 32 MiB",
            "per-CPU arrays; batches of 3 MiB",
        ),
        _holds_large_values,
    ),
    Probe(Topic("test runs at XDP", "4.12", "`match --target xdp`"), _runs(ProgType.XDP)),
    Probe(Topic("test runs at tc", "4.12", "`match --target tc`"), _runs(ProgType.SCHED_CLS)),
)
