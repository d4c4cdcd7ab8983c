"""Make the directory of a set of 32-bit ranges, and all that it leads to; see `direct`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netbpf.codegen.ebpf.sets.bits import mask_of
from netbpf.codegen.ebpf.sets.table import HOST, Members

BUCKET_BITS = 15  # of a value that a cell compares
BUCKETS = 1 << 32 - BUCKET_BITS
LOW = (1 << BUCKET_BITS) - 1
GUARD = 1 << BUCKET_BITS
LANES = 4  # in a word of 64 bits
LEAF_BITS = 9
LEAF_BYTES = 1 << LEAF_BITS - 3
LEAVES = 1 << BUCKET_BITS - LEAF_BITS

_NEVER, _ALWAYS = LOW, GUARD | LOW  # lanes that are never, and always, to be counted
_BLOCKS = 1 << 31  # what is said for a block until it is known where blocks begin


class Directory(NamedTuple):
    """A table's content, the bytes of an entry, the largest entries (0: there are none)."""

    content: bytes
    width: int
    last_cell: int
    last_block: int
    last_leaf: int


def make(members: Members, words: int) -> Directory:
    """Make a directory with cells of so many words."""
    builder = _Builder(words)
    directory = array("I", [0]) * BUCKETS
    everything = builder.cell([_ALWAYS])
    for low, high in members:
        first, last = -(-low >> BUCKET_BITS), (high + 1 >> BUCKET_BITS)
        if first < last:
            directory[first:last] = array("I", [everything]) * (last - first)
    for bucket, boundaries, inside in _buckets(members):
        directory[bucket] = builder.bucket(boundaries, inside=inside)
    return builder.finish(directory)


def _buckets(members: Members) -> Iterator[tuple[int, list[int], bool]]:
    """Yield each bucket that has boundaries within, these, and whether its last value is inside.

    A boundary is the last value before a change.
    """
    bucket, found, inside = -1, list[int](), False
    for pair in members:
        for value, after in zip((pair[0] - 1, pair[1]), (True, False), strict=True):
            if (value + 1) & LOW == 0:
                continue  # between two buckets
            if value >> BUCKET_BITS != bucket:
                if found:
                    yield bucket, found, inside
                bucket, found = value >> BUCKET_BITS, []
            found.append(value & LOW)
            inside = after
    if found:
        yield bucket, found, inside


class _Builder:
    """Collects what the directory leads to, equal parts once."""

    def __init__(self, words: int) -> None:
        self._lanes = words * LANES
        self._cells: dict[tuple[int, ...], int] = {}
        self._blocks: dict[tuple[int, ...], int] = {}
        self._leaves: dict[bytes, int] = {}
        self.cell([])

    def bucket(self, boundaries: Sequence[int], *, inside: bool) -> int:
        """Return the number of a cell, or that of a block from _BLOCKS on."""
        lanes = [GUARD | value for value in boundaries]
        if inside:
            lanes.append(_ALWAYS)
        if len(lanes) <= self._lanes:
            return self.cell(lanes)
        block = tuple(self._leaf(leaf) for leaf in _split(boundaries, inside=inside))
        return _BLOCKS + self._blocks.setdefault(block, len(self._blocks))

    def cell(self, lanes: Sequence[int]) -> int:
        """Return the number of a cell that counts these lanes."""
        padded = (*lanes, *(_NEVER,) * (self._lanes - len(lanes)))
        return self._cells.setdefault(padded, len(self._cells))

    def finish(self, directory: array[int]) -> Directory:
        """Put everything behind the directory."""
        unit = 2 * self._lanes
        blocks_at, leaf_units = len(self._cells), LEAF_BYTES // unit
        for width in (2, 4):
            block_units = width * LEAVES // unit
            leaves_at = blocks_at + block_units * len(self._blocks)
            last_leaf = leaves_at + leaf_units * (len(self._leaves) - 1)
            if last_leaf < 1 << 8 * width:
                break
        kind = "H" if width == 2 else "I"
        cells = array("H", [lane for cell in self._cells for lane in cell])
        entries = array(kind, [
            place if place < _BLOCKS else blocks_at + block_units * (place - _BLOCKS)
            for place in directory
        ])  # fmt: skip
        blocks = array(
            kind, [leaves_at + leaf_units * leaf for block in self._blocks for leaf in block]
        )
        parts = (entries.tobytes(), cells.tobytes(), blocks.tobytes(), *self._leaves)
        return Directory(
            content=b"".join(parts),
            width=width,
            last_cell=blocks_at - 1,
            last_block=leaves_at - block_units if self._blocks else 0,
            last_leaf=last_leaf if self._blocks else 0,
        )

    def _leaf(self, ranges: Members) -> int:
        little = mask_of(ranges).to_bytes(LEAF_BYTES, "little")
        if HOST == "big":
            little = b"".join(little[at : at + 8][::-1] for at in range(0, LEAF_BYTES, 8))
        return self._leaves.setdefault(little, len(self._leaves))


def _split(boundaries: Sequence[int], *, inside: bool) -> Iterator[Members]:
    """Yield for each leaf of a bucket the ranges of bits to set."""
    flips = [-1, *boundaries, LOW]
    starts = [flips[i] + 1 for i in range(len(flips) - 1)]
    # The last stretch is inside or not; before it they alternate.
    parity = (len(starts) - 1 - (0 if inside else 1)) % 2
    ranges = [
        (start, flips[i + 1])
        for i, start in enumerate(starts)
        if i % 2 == parity and start <= flips[i + 1]
    ]
    leaves: list[list[tuple[int, int]]] = [[] for _ in range(LEAVES)]
    for low, high in ranges:
        for leaf in range(low >> LEAF_BITS, (high >> LEAF_BITS) + 1):
            base = leaf << LEAF_BITS
            leaves[leaf].append(
                (max(low, base) - base, min(high, base + (1 << LEAF_BITS) - 1) - base)
            )
    for one in leaves:
        yield tuple(one)
