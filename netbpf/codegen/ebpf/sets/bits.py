"""Small numbers that lie close together (protocols, types): bits in a register, no table at all."""

from __future__ import annotations

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu, Jmp
from netbpf.codegen.ebpf.sets.table import Members, Read, Straight
from netbpf.records import dataclass

BITS = 64


@dataclass(frozen=True, slots=True)
class Bits(Straight):
    """Bit n of `mask` says whether `first` + n is a member."""

    first: int
    mask: int

    @property
    def clobbers(self) -> bool:
        """Whether a look-up destroys r2 to r5."""
        return False

    @property
    def is_straight(self) -> bool:
        """Whether a look-up needs no branch."""
        return True

    @classmethod
    def of(cls, members: Members) -> Bits:
        """Put a set into a mask; its values must lie within 64 of each other."""
        last = members[-1][1]
        first = 0 if last < BITS else members[0][0]  # without a subtraction if that does
        return cls(b"", first, mask_of(members, first))

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:  # noqa: ARG002
        """Shift the mask by the value modulo 64, whose other bits must be 0.

        In one test: where they are not, they are at least 1, and not below the mask's bit.
        """
        self._shift(asm, read)
        asm.jump_if(ebpf.jump_reg(Jmp.JLE, 1, 0), orelse)

    def differs(self, asm: Assembler, name: str, read: Read) -> None:  # noqa: ARG002
        """Turn the mask's bit around."""
        self._shift(asm, read)
        asm.emit(ebpf.alu64(Alu.XOR, 1, 1), ebpf.alu64_reg(Alu.OR, 0, 1))

    def _shift(self, asm: Assembler, read: Read) -> None:
        """r1 = the mask's bit for the value modulo 64, r0 = what else is of the value."""
        asm.emit(ebpf.mov_reg(0, read()))
        if self.first:
            asm.emit(ebpf.alu32(Alu.SUB, 0, self.first))
        asm.emit(*ebpf.load_imm64(1, self.mask & 0xFFFFFFFF, self.mask >> 32))
        asm.emit(ebpf.alu64_reg(Alu.RSH, 1, 0), ebpf.alu64(Alu.RSH, 0, 6))
        asm.emit(ebpf.alu64(Alu.AND, 1, 1))


def mask_of(members: Members, first: int = 0) -> int:
    """Return a number whose bit n says whether `first` + n is a member."""
    mask = 0
    for low, high in members:
        mask |= ((1 << (high - low + 1)) - 1) << (low - first)
    return mask
