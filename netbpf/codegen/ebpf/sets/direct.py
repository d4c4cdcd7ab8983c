"""Ranges of 32-bit values (prefixes): a directory by the first 17 bits.

    directory   2**17 entries: which cell or block
    cells       for the few boundaries that a bucket of 2**15 values mostly has
    blocks      64 entries, for a bucket with more of them: which leaf
    leaves      512 bits, one a value

Entries are offsets behind the directory, in units of a cell's size: u16, or u32 where that is not
enough.

A cell has room for some boundaries, 16 bits each, in 64-bit words. Values are subtracted from four
of them at once: bit 15 of each is set, and stays so iff the boundary is not below the value. A
value is a member iff an odd number of boundaries is not below it. So nothing is ever searched, and
the only branch is whether there is a block, in sets that have any. Equal cells, blocks and leaves
are shared; most buckets are of two kinds, nothing and everything.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu, Jmp
from netbpf.codegen.ebpf.sets.bits import mask_of
from netbpf.codegen.ebpf.sets.table import HOST, Members, Read, Table, points_at
from netbpf.records import dataclass

BUCKET_BITS = 15  # of a value that a cell compares
_BUCKETS = 1 << 32 - BUCKET_BITS
_LOW = (1 << BUCKET_BITS) - 1
_GUARD = 1 << BUCKET_BITS
_NEVER, _ALWAYS = _LOW, _GUARD | _LOW  # lanes that are never, and always, to be counted
LANES = 4  # in a word of 64 bits
_LEAF_BITS = 9
_LEAF_BYTES = 1 << _LEAF_BITS - 3
_LEAVES = 1 << BUCKET_BITS - _LEAF_BITS
_BLOCKS = 1 << 31  # what is said for a block until it is known where blocks begin


@dataclass(frozen=True, slots=True)
class Direct(Table):
    """Cells have `words` words, a power of two up to 8; an entry is of `width` bytes.

    `last_cell`, `last_block` and `last_leaf` are the largest entries for such; 0: there are none.
    """

    words: int
    width: int
    last_cell: int
    last_block: int
    last_leaf: int

    @classmethod
    def of(cls, members: Members, words: int) -> Direct:
        """Make the table of a set; a bucket with more boundaries than fit a cell is a block."""
        builder = _Builder(words)
        directory = array("I", [0]) * _BUCKETS
        everything = builder.cell([_ALWAYS])
        for low, high in members:
            first, last = -(-low >> BUCKET_BITS), (high + 1 >> BUCKET_BITS)
            if first < last:
                directory[first:last] = array("I", [everything]) * (last - first)
        for bucket, boundaries, inside in _buckets(members):
            directory[bucket] = builder.bucket(boundaries, inside=inside)
        return builder.finish(directory)

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Load from the directory, then the cell, or else a block and its leaf."""
        asm.emit(ebpf.mov_reg(5, read()))
        # In 32 bits: of what LD_ABS or an old stack slot gave, the verifier knows no limit.
        asm.emit(ebpf.mov_reg(0, 5), ebpf.alu32(Alu.RSH, 0, BUCKET_BITS))
        asm.emit(ebpf.alu64(Alu.LSH, 0, self.width // 2))
        points_at(asm, name, 0, 1, 0)
        asm.emit(ebpf.load(self.width, 0, 1))
        block, found = asm.label(), asm.label()
        # To the verifier what was loaded may be any number.
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_cell), block if self.last_block else orelse)
        self._count(asm, name)
        if self.last_block:
            asm.jump(found)
            asm.place(block)
            self._look_up_leaf(asm, name, orelse)
            asm.place(found)
        asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, 0), orelse)

    def _count(self, asm: Assembler, name: str) -> None:
        """r1 != 0 iff the cell at r0 has an odd number of boundaries that are not below r5."""
        self._part(asm, name)
        asm.emit(ebpf.mov_reg(0, 5), ebpf.alu64(Alu.AND, 0, _LOW))
        asm.emit(ebpf.alu64(Alu.MUL, 0, 0x10001), ebpf.mov_reg(2, 0))  # in each of four lanes
        asm.emit(ebpf.alu64(Alu.LSH, 2, 32), ebpf.alu64_reg(Alu.OR, 0, 2))
        for index in range(self.words):
            target = 2 if index == 0 else 3
            asm.emit(ebpf.load(8, target, 1, 8 * index), ebpf.alu64_reg(Alu.SUB, target, 0))
            if index:
                asm.emit(ebpf.alu64_reg(Alu.XOR, 2, 3))
        for half in (32, 16):
            asm.emit(ebpf.mov_reg(1, 2), ebpf.alu64(Alu.RSH, 1, half))
            asm.emit(ebpf.alu64_reg(Alu.XOR, 1 if half == 16 else 2, 2 if half == 16 else 1))
        asm.emit(ebpf.alu64(Alu.AND, 1, _GUARD))

    def _look_up_leaf(self, asm: Assembler, name: str, orelse: Label) -> None:
        """r1 = r5's bit of the leaf in the block at r0."""
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_block), orelse)
        asm.emit(ebpf.mov_reg(2, 5), ebpf.alu64(Alu.RSH, 2, _LEAF_BITS - self.width // 2))
        asm.emit(ebpf.alu64(Alu.AND, 2, self.width * (_LEAVES - 1)))
        self._part(asm, name)
        asm.emit(ebpf.alu64_reg(Alu.ADD, 1, 2), ebpf.load(self.width, 0, 1))
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_leaf), orelse)
        asm.emit(ebpf.mov_reg(2, 5), ebpf.alu64(Alu.RSH, 2, 3))
        asm.emit(ebpf.alu64(Alu.AND, 2, _LEAF_BYTES - 8))
        self._part(asm, name)
        asm.emit(ebpf.alu64_reg(Alu.ADD, 1, 2), ebpf.load(8, 1, 1))
        asm.emit(ebpf.alu64_reg(Alu.RSH, 1, 5), ebpf.alu64(Alu.AND, 1, 1))  # by r5 % 64

    def _part(self, asm: Assembler, name: str) -> None:
        """r1 = where the entry r0 leads to."""
        asm.emit(ebpf.alu64(Alu.LSH, 0, (8 * self.words).bit_length() - 1))
        points_at(asm, name, self.width * _BUCKETS, 1, 0)


def _buckets(members: Members) -> Iterator[tuple[int, list[int], bool]]:
    """Yield each bucket that has boundaries within, these, and whether its last value is inside.

    A boundary is the last value before a change.
    """
    bucket, found, inside = -1, list[int](), False
    for pair in members:
        for value, after in zip((pair[0] - 1, pair[1]), (True, False), strict=True):
            if (value + 1) & _LOW == 0:
                continue  # between two buckets
            if value >> BUCKET_BITS != bucket:
                if found:
                    yield bucket, found, inside
                bucket, found = value >> BUCKET_BITS, []
            found.append(value & _LOW)
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
        self._waiting: list[tuple[int, int]] = []
        self.cell([])

    def bucket(self, boundaries: Sequence[int], *, inside: bool) -> int:
        """Return the number of a cell, or that of a block from _BLOCKS on."""
        lanes = [_GUARD | value for value in boundaries]
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

    def finish(self, directory: array[int]) -> Direct:
        """Put everything behind the directory."""
        unit = 2 * self._lanes
        blocks_at, leaf_units = len(self._cells), _LEAF_BYTES // unit
        for width in (2, 4):
            block_units = width * _LEAVES // unit
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
        return Direct(
            content=b"".join(parts),
            words=self._lanes // LANES,
            width=width,
            last_cell=blocks_at - 1,
            last_block=leaves_at - block_units if self._blocks else 0,
            last_leaf=last_leaf if self._blocks else 0,
        )

    def _leaf(self, ranges: Members) -> int:
        little = mask_of(ranges).to_bytes(_LEAF_BYTES, "little")
        if HOST == "big":
            little = b"".join(little[at : at + 8][::-1] for at in range(0, _LEAF_BYTES, 8))
        return self._leaves.setdefault(little, len(self._leaves))


def _split(boundaries: Sequence[int], *, inside: bool) -> Iterator[Members]:
    """Yield for each leaf of a bucket the ranges of bits to set."""
    flips = [-1, *boundaries, _LOW]
    starts = [flips[i] + 1 for i in range(len(flips) - 1)]
    # The last stretch is inside or not; before it they alternate.
    parity = (len(starts) - 1 - (0 if inside else 1)) % 2
    ranges = [
        (start, flips[i + 1])
        for i, start in enumerate(starts)
        if i % 2 == parity and start <= flips[i + 1]
    ]
    leaves: list[list[tuple[int, int]]] = [[] for _ in range(_LEAVES)]
    for low, high in ranges:
        for leaf in range(low >> _LEAF_BITS, (high >> _LEAF_BITS) + 1):
            base = leaf << _LEAF_BITS
            leaves[leaf].append(
                (max(low, base) - base, min(high, base + (1 << _LEAF_BITS) - 1) - base)
            )
    for one in leaves:
        yield tuple(one)
