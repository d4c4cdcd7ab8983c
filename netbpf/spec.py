"""Specs: what a compilation yields. Frozen, deterministic, no file descriptor in them.

Everything before a Spec is pure; everything after it owns kernel resources (objects, link).
Depends on errors, uapi, asm, proto.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from netbpf.errors import Span
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass

if TYPE_CHECKING:
    from netbpf.asm.cbpf import Insn as ClassicInsn
    from netbpf.asm.ebpf import Insn
    from netbpf.uapi.bpf import AttachType, MapType, ProgType


class Target(Enum):
    """What code is generated for; the value is the word of `--target` and `--at`."""

    CBPF = "cbpf"
    XDP = "xdp"
    TC = "tc"  # clsact or tcx ingress
    TC_EGRESS = "tc-egress"
    SOCKET = "socket"


class Action(Enum):
    """What a filter does with packets."""

    COUNT = "count"  # observe only
    DROP = "drop"  # drop what matches
    PASS = "pass"  # drop what does not match


class Key(Enum):
    """What packets are counted by; the value is the word of `--by`."""

    PORT = "port"  # destination port (TCP, UDP, SCTP)
    SPORT = "sport"
    PROTO = "proto"  # IP protocol
    SRC = "src"
    DST = "dst"
    FLOW = "flow"  # protocol, addresses, ports


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A map to create. Sizes in bytes; `flags` are of uapi.bpf.MapFlag.

    `init` holds (key, value) byte pairs written before the program runs; `freeze` makes the map
    read-only to user space afterwards.
    """

    name: str
    type: MapType
    key_size: int
    value_size: int
    max_entries: int
    flags: int = 0
    init: tuple[tuple[bytes, bytes], ...] = ()
    freeze: bool = False


COUNTER_TOTALS = 3
"""Numbers of the totals before those of the tables: packets, bytes, dropped packets."""
COUNTER_ENTRY = 16
"""Bytes of a table's entry: packets, bytes."""
_ROW = 128  # bytes: two cache lines, which processors fetch together


@dataclass(frozen=True, slots=True)
class CounterTable:
    """One `--by` table: which map holds it, and how many entries it has room for."""

    key: Key
    map: str
    capacity: int
    exact: bool  # False: least recently used entries are evicted, and the evictions counted

    @property
    def row(self) -> int:
        """The bytes from one CPU's entries to the next one's, in an exact table's ARRAY."""
        return _rounded(self.capacity * COUNTER_ENTRY)


@dataclass(frozen=True, slots=True)
class CounterLayout:
    """Where a program counts. All numbers are u64 in host byte order, per CPU.

    Map `totals` holds: packets, bytes (that matched), dropped packets, then one "entries created"
    counter per table, in the order of `tables`. A table's entry is packets, bytes. Exact tables
    (port, sport, proto) are indexed by the number itself; the last index counts packets that have
    none. Hash tables have the keys of observe.counters.

    Totals and exact tables are maps of type PERCPU_ARRAY, or of type ARRAY with one value: a row
    for each CPU, by its number; what a row has behind its numbers is 0.
    """

    totals: str
    tables: tuple[CounterTable, ...] = ()

    @property
    def totals_size(self) -> int:
        """The bytes of the totals of one CPU."""
        return 8 * (COUNTER_TOTALS + len(self.tables))

    @property
    def totals_row(self) -> int:
        """The bytes from one CPU's totals to the next one's, in an ARRAY."""
        return _rounded(self.totals_size)


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """An eBPF program ready to load, but for its maps' file descriptors.

    `flags` are of uapi.bpf.ProgFlag.
    `map_refs` are (instruction index, map name) of the ld_imm64 instructions to be patched.
    `spans` has one entry per instruction: the text of `text` that it came from.
    """

    name: str
    type: ProgType
    attach_type: AttachType | None
    insns: tuple[Insn, ...]
    maps: tuple[MapSpec, ...]
    map_refs: tuple[tuple[int, str], ...]
    flags: int = 0
    license: str = "Dual BSD/GPL"
    text: str = ""
    spans: tuple[Span | None, ...] = ()
    target: Target | None = None
    action: Action = Action.COUNT
    linktype: LinkType = LinkType.EN10MB
    counters: CounterLayout | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassicFilter:
    """A classic BPF program, for SO_ATTACH_FILTER, `tc … bpf bytecode` and xt_bpf."""

    insns: tuple[ClassicInsn, ...]
    linktype: LinkType
    snaplen: int
    text: str = ""
    spans: tuple[Span | None, ...] = ()
    warnings: tuple[str, ...] = ()


def _rounded(size: int) -> int:
    """Return the size of a row: no CPU writes to the cache lines of another."""
    return (size + _ROW - 1) // _ROW * _ROW
