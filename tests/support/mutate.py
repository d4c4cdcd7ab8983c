"""Packets that a filter tells apart, made from the filter itself.

Start with a few packets, run the filter on them (`walk`), and grant its wishes one at a time: the
bytes that it compares take the constants that it compares them with, and their neighbours, so that
packets reach every part of it. Then every bit of what each of them was asked about is flipped, each
of its wishes is granted, and each is cut at every place that a load ends, at one byte less, and
elsewhere: first for some packets that match, for there every part of a filter has a say.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from netbpf.asm.cbpf import Insn
from netbpf.ir.program import Program
from tests.support.walk import ClassicWalker, ProgramWalker, Walker, Wish

LONGEST = 2048  # bytes; what is loaded further out stays out of reach


@dataclass(frozen=True, slots=True)
class Mutant:
    """A packet: the bytes that were captured, and its length on the wire."""

    data: bytes
    length: int


def packets_for(
    program: Program | Sequence[Insn],
    *,
    seeds: Iterable[bytes] = (),
    count: int = 200,
    rng: random.Random | None = None,
) -> list[Mutant]:
    """Return up to `count` different packets about `program`, the same ones for the same `rng`."""
    rng = rng or random.Random(0)
    walker: Walker
    walker = ProgramWalker(program) if isinstance(program, Program) else ClassicWalker(program)
    starts = [bytes(128), b"\x45" * 128, *seeds]  # 0x45: an IPv4 header without options anywhere
    share = max(8, count // 3 // len(starts))
    reached = [p for start in starts for p in explore(walker, start, count=share, rng=rng)]
    found = dict.fromkeys(reached)
    for packets, most in (
        (_examples(walker, reached), (len(found) + count) // 2),
        (reached, count),
    ):
        around = [mutant for packet in packets for mutant in _around(walker, packet)]
        rng.shuffle(around)
        for mutant in around:
            if len(found) >= most:
                break
            found.setdefault(mutant)
    return list(found)


def explore(walker: Walker, start: bytes, *, count: int, rng: random.Random) -> list[Mutant]:
    """Return packets that take as many different ways through a filter as `count` allows."""
    queue = deque([Mutant(start, len(start))])
    found: dict[Mutant, None] = {}
    granted: set[tuple[object, int]] = set()
    while queue and len(found) < count:
        packet = queue.popleft()
        if packet in found:
            continue
        found[packet] = None
        walk = walker(packet.data, packet.length)
        for wish in walk.wishes:
            if wish.key not in granted:
                granted.add(wish.key)
                queue.append(grant(packet, wish))
            elif rng.random() < 0.02:
                queue.append(grant(packet, wish))
        for offset, width in walk.loads:
            end = offset + width
            if len(packet.data) < end <= LONGEST:
                longer = packet.data.ljust(end + 8, b"\0")
                queue.appendleft(Mutant(longer, max(packet.length, len(longer))))
    return list(found)


def grant(packet: Mutant, wish: Wish) -> Mutant:
    """Return the packet with a wish come true."""
    if wish.offset is None:
        data = packet.data[: wish.value] if wish.value < len(packet.data) else packet.data
        return Mutant(data, wish.value)
    end = wish.offset + wish.width
    data = packet.data.ljust(end, b"\0")
    value = wish.value.to_bytes(wish.width, "big")
    data = data[: wish.offset] + value + data[end:]
    return Mutant(data, max(packet.length, len(data)))


def _examples(walker: Walker, packets: Iterable[Mutant]) -> list[Mutant]:
    """Return a few packets that match, each by another way through the filter."""
    found: dict[tuple[tuple[int, int], ...], Mutant] = {}
    for packet in packets:
        walk = walker(packet.data, packet.length)
        if walk.matches:
            found[walk.loads] = packet
    return list(found.values())[:8]


def _around(walker: Walker, packet: Mutant) -> Iterator[Mutant]:
    """Yield the packet with each bit flipped that is loaded, and cut at every critical length."""
    walk = walker(packet.data, packet.length)
    loads = dict.fromkeys(walk.loads)
    for wish in walk.wishes:
        yield grant(packet, wish)
    cuts = {0, len(packet.data) // 2, len(packet.data) - 1}
    for offset, width in loads:
        end = offset + width
        if end > len(packet.data):
            continue
        for bit in range(8 * width):
            at, mask = offset + bit // 8, 1 << bit % 8
            data = bytearray(packet.data)
            data[at] ^= mask
            yield Mutant(bytes(data), packet.length)
        cuts |= {offset, end - 1, end}
    for cut in sorted(cuts):
        if 0 <= cut < len(packet.data):
            yield Mutant(packet.data[:cut], packet.length)
