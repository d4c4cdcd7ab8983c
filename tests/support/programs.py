"""The smallest eBPF programs that tests of loading and attaching need, written by hand."""

from __future__ import annotations

import struct

from netbpf.asm.ebpf import Insn
from netbpf.kernel import version
from netbpf.objects import Map
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import AttachType, MapType, ProgFlag, ProgType

HITS = "hits"
FRAGS = version.running() >= (5, 18)
"""Whether XDP programs of tests are for frames of several buffers; old kernels take no such."""


def returning(
    value: int, type_: ProgType = ProgType.XDP, *, name: str = "netbpf_ret", frags: bool = False
) -> ProgramSpec:
    """Return a program that does nothing but return `value`."""
    return _spec(type_, name, _leave(value), frags=frags)


def counting(
    value: int, type_: ProgType = ProgType.XDP, *, name: str = "netbpf_count", frags: bool = False
) -> ProgramSpec:
    """Return a program that counts each packet in the only u64 of the map `hits`."""
    insns = (
        Insn(0x62, 10, 0, -4, 0),  # *(u32 *)(r10 - 4) = 0
        Insn(0xBF, 2, 10, 0, 0),  # r2 = r10
        Insn(0x07, 2, 0, 0, -4),  # r2 += -4
        Insn(0x18, 1, 1, 0, 0),  # r1 = map hits
        Insn(0, 0, 0, 0, 0),
        Insn(0x85, 0, 0, 0, 1),  # r0 = map_lookup_elem(r1, r2)
        Insn(0x15, 0, 0, 2, 0),  # if r0 == 0 goto +2
        Insn(0xB7, 1, 0, 0, 1),  # r1 = 1
        Insn(0xDB, 0, 1, 0, 0),  # lock *(u64 *)(r0 + 0) += r1
        *_leave(value),
    )
    hits = MapSpec(HITS, MapType.ARRAY, key_size=4, value_size=8, max_entries=1)
    return _spec(type_, name, insns, (hits,), ((3, HITS),), frags=frags)


def hits(counter: Map) -> int:
    """Read what a counting program counted."""
    value = counter.lookup(bytes(4))
    assert value is not None
    return int(struct.unpack("=Q", value)[0])


def _leave(value: int) -> tuple[Insn, ...]:
    return (Insn(0xB7, 0, 0, 0, value), Insn(0x95, 0, 0, 0, 0))


def _spec(
    type_: ProgType,
    name: str,
    insns: tuple[Insn, ...],
    maps: tuple[MapSpec, ...] = (),
    refs: tuple[tuple[int, str], ...] = (),
    *,
    frags: bool = False,
) -> ProgramSpec:
    return ProgramSpec(
        name=name,
        type=type_,
        attach_type=AttachType.XDP if type_ is ProgType.XDP else None,
        insns=insns,
        maps=maps,
        map_refs=refs,
        flags=ProgFlag.XDP_HAS_FRAGS if frags else ProgFlag(0),
    )
