"""Small numbers that lie close together (protocols, types): bits in a register, no table at all."""

from __future__ import annotations

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu, Jmp
from netbpf.codegen.ebpf.sets.table import Members, Read, Table
from netbpf.records import dataclass

BITS = 64


@dataclass(frozen=True, slots=True)
class Bits(Table):
    """Bit n of `mask` says whether `first` + n is a member."""

    first: int
    mask: int

    @property
    def clobbers(self) -> bool:
        """Whether a look-up destroys r2 to r5."""
        return False

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
        asm.emit(ebpf.mov_reg(0, read()))
        if self.first:
            asm.emit(ebpf.alu32(Alu.SUB, 0, self.first))
        asm.emit(*ebpf.load_imm64(1, self.mask & 0xFFFFFFFF, self.mask >> 32))
        asm.emit(ebpf.alu64_reg(Alu.RSH, 1, 0), ebpf.alu64(Alu.RSH, 0, 6))
        asm.emit(ebpf.alu64(Alu.AND, 1, 1))
        asm.jump_if(ebpf.jump_reg(Jmp.JLE, 1, 0), orelse)


def mask_of(members: Members, first: int = 0) -> int:
    """Return a number whose bit n says whether `first` + n is a member."""
    mask = 0
    for low, high in members:
        mask |= ((1 << (high - low + 1)) - 1) << (low - first)
    return mask
