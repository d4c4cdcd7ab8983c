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

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu, Jmp
from netbpf.codegen.ebpf.sets.directory import (
    BUCKET_BITS,
    BUCKETS,
    GUARD,
    LEAF_BITS,
    LEAF_BYTES,
    LEAVES,
    LOW,
    make,
)
from netbpf.codegen.ebpf.sets.table import Members, Read, Straight, points_at
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Direct(Straight):
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
        made = make(members, words)
        return cls(made.content, words, made.width, made.last_cell, made.last_block, made.last_leaf)

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Load from the directory, then the cell, or else a block and its leaf."""
        self._entry(asm, name, read)
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

    @property
    def is_straight(self) -> bool:
        """Whether a look-up needs no branch: where all buckets fit a cell."""
        return not self.last_block

    def differs(self, asm: Assembler, name: str, read: Read) -> None:
        """Count in the cell. What an entry cannot be is above the last, and so not 0 either."""
        assert self.is_straight
        impossible = asm.label()
        self._entry(asm, name, read)
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_cell), impossible)
        self._count(asm, name)
        asm.emit(ebpf.alu64(Alu.XOR, 1, GUARD), ebpf.mov_reg(0, 1))
        asm.place(impossible)

    def _entry(self, asm: Assembler, name: str, read: Read) -> None:
        """r5 = the value, r0 = what the directory says of it."""
        asm.emit(ebpf.mov_reg(5, read()))
        # In 32 bits: of what LD_ABS or an old stack slot gave, the verifier knows no limit.
        asm.emit(ebpf.mov_reg(0, 5), ebpf.alu32(Alu.RSH, 0, BUCKET_BITS))
        asm.emit(ebpf.alu64(Alu.LSH, 0, self.width // 2))
        points_at(asm, name, 0, 1, 0)
        asm.emit(ebpf.load(self.width, 0, 1))

    def _count(self, asm: Assembler, name: str) -> None:
        """r1 != 0 iff the cell at r0 has an odd number of boundaries that are not below r5."""
        self._part(asm, name)
        asm.emit(ebpf.mov_reg(0, 5), ebpf.alu64(Alu.AND, 0, LOW))
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
        asm.emit(ebpf.alu64(Alu.AND, 1, GUARD))

    def _look_up_leaf(self, asm: Assembler, name: str, orelse: Label) -> None:
        """r1 = r5's bit of the leaf in the block at r0."""
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_block), orelse)
        asm.emit(ebpf.mov_reg(2, 5), ebpf.alu64(Alu.RSH, 2, LEAF_BITS - self.width // 2))
        asm.emit(ebpf.alu64(Alu.AND, 2, self.width * (LEAVES - 1)))
        self._part(asm, name)
        asm.emit(ebpf.alu64_reg(Alu.ADD, 1, 2), ebpf.load(self.width, 0, 1))
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last_leaf), orelse)
        asm.emit(ebpf.mov_reg(2, 5), ebpf.alu64(Alu.RSH, 2, 3))
        asm.emit(ebpf.alu64(Alu.AND, 2, LEAF_BYTES - 8))
        self._part(asm, name)
        asm.emit(ebpf.alu64_reg(Alu.ADD, 1, 2), ebpf.load(8, 1, 1))
        asm.emit(ebpf.alu64_reg(Alu.RSH, 1, 5), ebpf.alu64(Alu.AND, 1, 1))  # by r5 % 64

    def _part(self, asm: Assembler, name: str) -> None:
        """r1 = where the entry r0 leads to."""
        asm.emit(ebpf.alu64(Alu.LSH, 0, (8 * self.words).bit_length() - 1))
        points_at(asm, name, self.width * BUCKETS, 1, 0)
