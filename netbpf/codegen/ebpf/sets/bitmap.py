"""Numbers of 16 bits (ports, VLAN ids): a bitmap of 8 KiB, one load."""

from __future__ import annotations

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu, Jmp
from netbpf.codegen.ebpf.sets.bits import mask_of
from netbpf.codegen.ebpf.sets.table import HOST, Members, Read, Straight, points_at
from netbpf.records import dataclass

LAST = 0xFFFF
"""The largest number that a bitmap may hold."""

_BYTES = (LAST + 1) // 8


@dataclass(frozen=True, slots=True)
class Bitmap(Straight):
    """Bit x is bit x % 32 of the 32-bit word x / 32."""

    @property
    def clobbers(self) -> bool:
        """Whether a look-up destroys r2 to r5."""
        return False

    @property
    def is_straight(self) -> bool:
        """Whether a look-up needs no branch."""
        return True

    @classmethod
    def of(cls, members: Members) -> Bitmap:
        """Make the bitmap of a set of numbers of 16 bits."""
        little = mask_of(members).to_bytes(_BYTES, "little")
        words = (little[at : at + 4] for at in range(0, _BYTES, 4))
        return cls(little if HOST == "little" else b"".join(word[::-1] for word in words))

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Load the word with the value's bit."""
        asm.emit(ebpf.mov_reg(0, read()))
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, LAST), orelse)
        asm.emit(ebpf.alu64(Alu.RSH, 0, 5))
        self._load_bit(asm, name, read)
        asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, 0), orelse)

    def differs(self, asm: Assembler, name: str, read: Read) -> None:
        """Load the word with the value's bit, and turn that around. The value is at most LAST."""
        asm.emit(ebpf.mov_reg(0, read()), ebpf.alu64(Alu.RSH, 0, 5))
        asm.emit(ebpf.alu64(Alu.AND, 0, LAST >> 5))  # which the verifier need not know
        self._load_bit(asm, name, read)
        asm.emit(ebpf.alu64(Alu.XOR, 1, 1), ebpf.mov_reg(0, 1))

    @staticmethod
    def _load_bit(asm: Assembler, name: str, read: Read) -> None:
        """r1 = the value's bit of the word r0."""
        asm.emit(ebpf.alu64(Alu.LSH, 0, 2))
        points_at(asm, name, 0, 1, 0)
        asm.emit(ebpf.load(4, 1, 1))
        asm.emit(ebpf.alu32_reg(Alu.RSH, 1, read()))  # by the value % 32 (RFC 9669, 4.1)
        asm.emit(ebpf.alu32(Alu.AND, 1, 1))
