"""Single values (hosts): an exact hash table.

A value has one place, or one in each of two halves (Pagh and Rodler, Cuckoo Hashing, 2004). A place
that is not needed holds some member, so that what is found there is a member in any case.
The hash is multiply-shift (Dietzfelbinger et al., 1997): the highest bits of a product, and in the
second half the highest of its lower 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.codegen.ebpf.sets.cuckoo import FOLD, content, with_halves, without_collisions
from netbpf.codegen.ebpf.sets.table import Read, Straight, points_at, word
from netbpf.ir.program import U32
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Hashed(Straight):
    """Each half has 2**bits places of `words` words (three words take the room of four)."""

    words: int
    bits: int
    halves: int
    factors: tuple[int, int, int]

    @property
    def clobbers(self) -> bool:
        """Whether a look-up destroys r2 to r5: that for one place of one word does not."""
        return not self.is_straight

    @property
    def is_straight(self) -> bool:
        """Whether a look-up needs no branch: that for one place of one word."""
        return (self.words, self.halves) == (1, 1)

    @classmethod
    def of(cls, values: Sequence[int], words: int) -> Hashed:
        """Make a table of at least two values, which are numbers of so many words."""
        found, bits, factors = without_collisions(values, words) or with_halves(values, words)
        return cls(content(found, words), words, bits, len(found) >> bits, factors)

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Compare with what is in the value's places."""
        if self.words == 1:
            self._look_up_word(asm, name, read, orelse)
        else:
            self._look_up_words(asm, name, orelse)

    def differs(self, asm: Assembler, name: str, read: Read) -> None:
        """Compare with what is in the value's only place."""
        assert self.is_straight
        self._load_place(asm, name, read)
        asm.emit(ebpf.alu64_reg(Alu.XOR, 1, read()), ebpf.mov_reg(0, 1))

    def _load_place(self, asm: Assembler, name: str, read: Read) -> None:
        """r1 = what is in the value's only place."""
        asm.emit(ebpf.mov_reg(0, read()), *_imm64(1, self.factors[0]))
        asm.emit(ebpf.alu64_reg(Alu.MUL, 0, 1))
        self._high(asm, name, 0)
        asm.emit(ebpf.load(4, 1, 1))

    def _look_up_word(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        if self.halves == 1:
            self._load_place(asm, name, read)
            asm.jump_if(ebpf.jump_reg(Jmp.JNE, 1, read()), orelse)
            return
        asm.emit(ebpf.mov_reg(5, read()))
        asm.emit(ebpf.mov_reg(0, 5), *_imm64(1, self.factors[0]))
        asm.emit(ebpf.alu64_reg(Alu.MUL, 0, 1), ebpf.mov_reg(2, 0))
        self._high(asm, name, 0)
        asm.emit(ebpf.load(4, 3, 1), ebpf.alu64_reg(Alu.XOR, 3, 5))
        self._low(asm, name, 2)
        asm.emit(ebpf.load(4, 1, 1), ebpf.alu64_reg(Alu.XOR, 1, 5))
        asm.emit(ebpf.alu64_reg(Alu.MUL, 1, 3))  # of two numbers of 32 bits: 0 iff one of them is
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 1, 0), orelse)

    def _look_up_words(self, asm: Assembler, name: str, orelse: Label) -> None:
        """The value goes to r3 and r4, 64 bits each; what differs from it, to r5 and r1."""
        _load_value(asm, self.words)
        self._hash(asm)
        if self.halves == 2:
            asm.emit(ebpf.mov_reg(2, 0))
        self._high(asm, name, 0)
        self._differs(asm, 5, 1)
        if self.halves == 2:
            self._low(asm, name, 2)
            self._differs(asm, 1, 1)
            # The sign of x | -x says whether x is not 0.
            for x, negative in ((5, 0), (1, 2)):
                asm.emit(ebpf.mov(negative, 0), ebpf.alu64_reg(Alu.SUB, negative, x))
                asm.emit(ebpf.alu64_reg(Alu.OR, x, negative))
            asm.emit(ebpf.alu64_reg(Alu.AND, 5, 1))
            asm.jump_if(ebpf.jump_imm(Jmp.JSLT, 5, 0), orelse)
        else:
            asm.jump_if(ebpf.jump_imm(Jmp.JNE, 5, 0), orelse)

    def _hash(self, asm: Assembler) -> None:
        """r0 = the hash of r3 and r4."""
        first, second, last = self.factors
        asm.emit(*_imm64(0, first), ebpf.alu64_reg(Alu.MUL, 0, 3))
        if self.words > 2:
            asm.emit(*_imm64(1, second), ebpf.alu64_reg(Alu.MUL, 1, 4))
            asm.emit(ebpf.alu64_reg(Alu.ADD, 0, 1))
        asm.emit(ebpf.mov_reg(1, 0), ebpf.alu64(Alu.RSH, 1, FOLD), ebpf.alu64_reg(Alu.XOR, 0, 1))
        asm.emit(*_imm64(1, last), ebpf.alu64_reg(Alu.MUL, 0, 1))

    def _differs(self, asm: Assembler, dst: int, pointer: int) -> None:
        """dst = 0 iff the place at `pointer` holds r3 and r4; r0 is destroyed."""
        if self.words > 2:
            asm.emit(ebpf.load(8, 0, pointer, 8), ebpf.alu64_reg(Alu.XOR, 0, 4))
        asm.emit(ebpf.load(8, dst, pointer), ebpf.alu64_reg(Alu.XOR, dst, 3))
        if self.words > 2:
            asm.emit(ebpf.alu64_reg(Alu.OR, dst, 0))

    def _high(self, asm: Assembler, name: str, product: int) -> None:
        """r1 = the place by the product's highest bits."""
        asm.emit(ebpf.alu64(Alu.RSH, product, 64 - self.bits))
        asm.emit(ebpf.alu64(Alu.LSH, product, self._shift))
        points_at(asm, name, 0, 1, product)

    def _low(self, asm: Assembler, name: str, product: int) -> None:
        """r1 = the place by the highest of the product's lower 32 bits."""
        asm.emit(ebpf.alu32(Alu.RSH, product, 32 - self.bits))
        asm.emit(ebpf.alu64(Alu.LSH, product, self._shift))
        points_at(asm, name, 1 << self.bits + self._shift, 1, product)

    @property
    def _shift(self) -> int:
        return _size(self.words).bit_length() - 1


def _size(words: int) -> int:
    return 4 * words if words < 3 else 16


def _imm64(dst: int, value: int) -> tuple[ebpf.Insn, ebpf.Insn]:
    return ebpf.load_imm64(dst, value & U32, value >> 32)


def _load_value(asm: Assembler, words: int) -> None:
    """r3 = the first two words, r4 = the others, of which a fourth may be missing."""
    for dst, index in ((3, 0), (4, 2))[: (words + 1) // 2]:
        asm.emit(ebpf.load(4, dst, FRAME_POINTER, word(index)), ebpf.alu64(Alu.LSH, dst, 32))
        if index + 1 < words:
            asm.emit(ebpf.load(4, 0, FRAME_POINTER, word(index + 1)))
            asm.emit(ebpf.alu64_reg(Alu.OR, dst, 0))
