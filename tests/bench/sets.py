"""Time filters by sets of addresses, beside an LPM trie of the same prefixes, a BPF hash of hosts.

In each round a packet gets another source address, from a list of members, or of others; what that
costs is taken off. (Members and others by turns would time the branch on the result.) All that is
measured of a size takes turns in one run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from netbpf import compiler
from netbpf.asm import ebpf
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Insn, Jmp
from netbpf.asm.helpers import Helper
from netbpf.codegen.hooks.hook import CTX
from netbpf.compiler import Options
from netbpf.expr.nodes import Dialect
from netbpf.objects import Program
from netbpf.observe.timing import Packets, Timing, time_rounds
from netbpf.observe.traffic import frames
from netbpf.records import replace
from netbpf.spec import MapSpec, ProgramSpec, Target
from netbpf.uapi.bpf import MapFlag, MapType, ProgType, PseudoSrc
from tests.bench.lookup import time_lookup

Network = IPv4Network | IPv6Network

SIZES = (100, 1000, 10_000, 100_000)
_DRAWN = 1 << 15  # addresses: more than a run's rounds, so that no predictor has seen them before
_TURNS = 12
_TICK = 0.1  # ns: what takes less cannot be told from nothing
_OPEN = {4: 32, 6: 96}  # bits that are drawn for an address that is not to be of the set
_ADDRESSES, _TABLE = "addresses", "table"
_PREFIX_LENGTHS = {4: (20, 22, 24, 26, 28, 32), 6: (36, 40, 44, 48, 56, 64)}
_ALLOCATIONS = 1000  # of 32 bits, which the IPv6 networks lie in


@dataclass(frozen=True)
class Kind:
    """A kind of set. `offset` is where the source address is in an Ethernet frame."""

    name: str
    version: int
    networks: Callable[[random.Random, int], list[Network]]
    rival: MapType

    @property
    def size(self) -> int:
        """The bytes of an address."""
        return 4 if self.version == 4 else 16

    @property
    def offset(self) -> int:
        """Where the source address is in an Ethernet frame."""
        return 14 + (12 if self.version == 4 else 8)


def run(words: Iterable[str] = ()) -> None:
    """Print a table for each kind, or for those with one of `words` in their name."""
    print("Sets: ns per packet over drawing an address, least (median): of members / of others.")
    print("H: what is least, in look-ups in a BPF hash map of 1,000 entries. Grown: since 100.")
    per_lookup = time_lookup()
    print(f"H = {per_lookup:.1f} ns\n")
    wanted = list(words)
    for kind in KINDS:
        if not wanted or any(word in kind.name for word in wanted):
            _report(kind, per_lookup)


def _report(kind: Kind, per_lookup: float) -> None:
    print(
        f"{kind.name:<12}{'netbpf':<30}{'H':<14}{'grown':<12}{kind.rival.name:<32}{'ratio':<14}",
        end="",
    )
    print("compile, load (s)   bytes")
    first: list[float] = []
    for size in SIZES:
        rng = random.Random(size)
        networks = kind.networks(rng, size)
        start = time.perf_counter()
        ours = _filter(networks)
        compiled = time.perf_counter()
        Program.load(ours).close()
        loaded = time.perf_counter()
        own, rival = _measured(kind, networks, rng, ours)
        least = [max(one.least, _TICK) for one in own]
        first = first or least
        cells = (
            f"{size:<12,}{_both(own):<30}",
            f"{_pair(one / per_lookup for one in least):<14}",
            f"{_pair(one / other for one, other in zip(least, first, strict=True)):<12}",
            f"{_both(rival):<32}",
            f"{_pair(o.ratio(r).median for o, r in zip(own, rival, strict=True)):<14}",
            f"{compiled - start:.2f}, {loaded - compiled:.2f}",
            f"{sum(one.value_size for one in ours.maps if one.freeze):>13,}",
        )
        print("".join(cells), flush=True)


def _measured(
    kind: Kind, networks: Sequence[Network], rng: random.Random, ours: ProgramSpec
) -> tuple[list[Timing], list[Timing]]:
    """Return what the filter and its rival take for members and for others."""
    rival = _rival(kind, networks)
    specs = {
        (name, member): _drawing(kind, _addresses(kind, rng, networks, member=member), spec)
        for member in (True, False)
        for name, spec in (("draw", None), ("netbpf", ours), ("rival", rival))
    }
    frame = frames()["udp6-high" if kind.version == 6 else "rtp"]
    named = {f"{name} {member}": spec for (name, member), spec in specs.items()}
    _, found = time_rounds(named, Packets(frame), turns=_TURNS)
    own, other = (
        [_over(found[f"{name} {member}"], found[f"draw {member}"]) for member in (True, False)]
        for name in ("netbpf", "rival")
    )
    return own, other


def _over(timing: Timing, floor: Timing) -> Timing:
    turns = zip(timing.turns, floor.turns, strict=True)
    return Timing(timing.least - floor.least, tuple(one - idle for one, idle in turns))


def _both(timings: Iterable[Timing]) -> str:
    return " / ".join(f"{one.least:.1f} ({one.median:.1f})" for one in timings)


def _pair(numbers: Iterable[float]) -> str:
    return " / ".join(f"{number:.2f}" for number in numbers)


# -- the sets --------------------------------------------------------------------------------------


def _hosts4(rng: random.Random, count: int) -> list[Network]:
    return [IPv4Network(n) for n in rng.sample(range(1 << 24, 224 << 24), count)]


def _hosts6(rng: random.Random, count: int) -> list[Network]:
    starts = _allocations(rng)
    return [IPv6Network((rng.choice(starts) + rng.getrandbits(96), 128)) for _ in range(count)]


def _networks4(rng: random.Random, count: int) -> list[Network]:
    lengths = _PREFIX_LENGTHS[4]
    return [
        IPv4Network((rng.randrange(1 << 24, 224 << 24), rng.choice(lengths)), strict=False)
        for _ in range(count)
    ]


def _networks6(rng: random.Random, count: int) -> list[Network]:
    starts, lengths = _allocations(rng), _PREFIX_LENGTHS[6]
    return [
        IPv6Network((rng.choice(starts) + rng.getrandbits(96), rng.choice(lengths)), strict=False)
        for _ in range(count)
    ]


def _allocations(rng: random.Random) -> list[int]:
    return [(1 << 125) + (rng.getrandbits(29) << 96) for _ in range(_ALLOCATIONS)]


KINDS = (
    Kind("IPv4 hosts", 4, _hosts4, MapType.HASH),
    Kind("IPv4 CIDRs", 4, _networks4, MapType.LPM_TRIE),
    Kind("IPv6 hosts", 6, _hosts6, MapType.HASH),
    Kind("IPv6 CIDRs", 6, _networks6, MapType.LPM_TRIE),
)


def _addresses(
    kind: Kind, rng: random.Random, networks: Sequence[Network], *, member: bool
) -> bytes:
    """Return addresses of the set, or such as are hardly in it: in IPv6, of the same /32."""
    found = bytearray()
    for _ in range(_DRAWN):
        network = rng.choice(networks)
        address = int(network.network_address) + rng.randrange(network.num_addresses)
        if not member:
            address = address >> _OPEN[kind.version] << _OPEN[kind.version]
            address |= rng.getrandbits(_OPEN[kind.version])
        found += address.to_bytes(kind.size, "big")
    return bytes(found)


# -- the programs ----------------------------------------------------------------------------------


def _filter(networks: Sequence[Network]) -> ProgramSpec:
    text = " or ".join(f"src net {one}" for one in networks)
    options = Options(dialect=Dialect.PCAP)
    spec = compiler.compile(text, target=Target.XDP, options=options, frags=False)
    assert isinstance(spec, ProgramSpec)
    return spec


def _rival(kind: Kind, networks: Sequence[Network]) -> ProgramSpec:
    """Return a program that does nothing but look up what is behind r6's packet, at r7."""
    trie = kind.rival is MapType.LPM_TRIE
    key_size = kind.size + (4 if trie else 0)
    at = -24
    copied = [
        insn
        for offset in range(0, kind.size, 4)
        for insn in (
            ebpf.load(4, 1, 7, kind.offset + offset),
            ebpf.store(4, FRAME_POINTER, at + 4 + offset, 1),
        )
    ]
    insns = [
        *copied,
        ebpf.store_imm(4, FRAME_POINTER, at, 8 * kind.size),
        *ebpf.load_imm64(1, 0, src=PseudoSrc.MAP_FD),
        ebpf.mov_reg(2, FRAME_POINTER),
        ebpf.alu64(Alu.ADD, 2, at if trie else at + 4),
        ebpf.call(Helper.MAP_LOOKUP_ELEM),
        ebpf.jump_imm(Jmp.JEQ, 0, 0, 1),
        ebpf.mov(0, 1),
        ebpf.leave(),
    ]
    entries = {
        (one.prefixlen.to_bytes(4, "little") if trie else b"") + one.network_address.packed: bytes(
            4
        )
        for one in networks
    }
    flags = MapFlag.NO_PREALLOC if trie else MapFlag(0)
    table = MapSpec(
        _TABLE, kind.rival, key_size, 4, len(entries), flags, init=tuple(entries.items())
    )
    reference = len(copied) + 1
    return ProgramSpec("rival", ProgType.XDP, None, tuple(insns), (table,), ((reference, _TABLE),))


def _drawing(kind: Kind, addresses: bytes, spec: ProgramSpec | None) -> ProgramSpec:
    """Return a program that draws a source address, and then does what `spec` does."""
    width = min(kind.size, 8)
    draw: list[Insn] = [
        ebpf.mov_reg(CTX, 1),
        ebpf.load(4, 7, CTX, 0),
        ebpf.load(4, 8, CTX, 4),
        ebpf.mov_reg(0, 7),
        ebpf.alu64(Alu.ADD, 0, 60),
        ebpf.jump_reg(Jmp.JLE, 0, 8, 2),
        ebpf.mov(0, 0),
        ebpf.leave(),
        *ebpf.load_imm64(1, 0, src=PseudoSrc.MAP_VALUE),
        ebpf.load(8, 2, 1),
        ebpf.alu64(Alu.ADD, 2, 1),
        ebpf.store(8, 1, 0, 2),
        ebpf.alu64(Alu.AND, 2, _DRAWN - 1),
        ebpf.alu64(Alu.MUL, 2, kind.size),
        ebpf.alu64_reg(Alu.ADD, 1, 2),
    ]
    reference = 8
    for offset in range(0, kind.size, width):
        draw.append(ebpf.load(width, 2, 1, 8 + offset))
        draw.append(ebpf.store(width, 7, kind.offset + offset, 2))
    draw.append(ebpf.mov_reg(1, CTX))
    source = MapSpec(
        _ADDRESSES,
        MapType.ARRAY,
        4,
        8 + len(addresses),
        1,
        init=((bytes(4), bytes(8) + addresses),),
    )
    if spec is None:
        insns = (*draw, ebpf.mov(0, 2), ebpf.leave())
        return ProgramSpec("draw", ProgType.XDP, None, insns, (source,), ((reference, _ADDRESSES),))
    return replace(
        spec,
        insns=(*draw, *spec.insns),
        spans=(),
        maps=(*spec.maps, source),
        map_refs=((reference, _ADDRESSES), *((at + len(draw), name) for at, name in spec.map_refs)),
    )
