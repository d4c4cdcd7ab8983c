"""The ways to read a packet's bytes.

- `Direct`: from the linear part, whose start is in r7 and whose end in r8. An offset becomes a
  packet pointer, and a `Bound` compares it with the end. What is not there may still be in the
  packet, so code goes to `short`.
- `Untracked`: the same, by addresses that the verifier lets be read without a check of its own.
- `Copying`: through a helper that copies bytes to the stack, wherever they are.
- `Classic`: LD_ABS and LD_IND, which end the program with 0 outside the packet.

In each, r0 and r1 hold no value from one instruction of the IR to the next.
Depends on asm, ir.program, the hook, and the analyses in codegen.ebpf.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Insn, Jmp
from netbpf.asm.helpers import Helper
from netbpf.codegen.ebpf.bounds import explicit, farthest, without_implied
from netbpf.codegen.ebpf.regalloc import Bank
from netbpf.codegen.ebpf.stack import SCRATCH
from netbpf.codegen.hooks.hook import CTX, LinearPart
from netbpf.ir.program import Bound, Load, Program, Reg
from netbpf.records import dataclass

DATA = 7
DATA_END = 8
FARTHEST = 0xFFFF
"""The largest offset that the verifier lets packet pointers reach: its MAX_PACKET_OFF."""

_INT_MAX = 0x7FFFFFFF


class Base(NamedTuple):
    """What an offset is added to: a register (None: nothing), and the limit of its number.

    The register holds a packet pointer where the access says so.
    """

    register: int | None
    limit: int


class Access(ABC):
    """A way to read bytes.

    `raw`: two and four bytes are loaded in network order. `clobbers`: a Load or Bound destroys
    the volatile registers.
    """

    bank: ClassVar[Bank]
    raw: ClassVar[bool]
    clobbers: ClassVar[bool]

    def prepare(self, program: Program) -> Program:
        """Return the program with the bounds checks that this way needs, and no others."""
        return without_implied(program)

    def goes_by_pointer(self, insn: Load | Bound, limits: Mapping[Reg, int]) -> bool:  # noqa: ARG002
        """Whether an instruction goes by its base's packet pointer, not by its number."""
        return False

    def prologue(self) -> tuple[Insn, ...]:
        """Return the code that must come first."""
        return ()

    def pointer(self, dst: int, base: int) -> tuple[Insn, ...]:
        """Return code for dst = the packet pointer at the offset in base, which may be dst."""
        if dst == base:
            return (ebpf.alu64_reg(Alu.ADD, dst, DATA),)
        return ebpf.mov_reg(dst, DATA), ebpf.alu64_reg(Alu.ADD, dst, base)

    @abstractmethod
    def load(self, asm: Assembler, insn: Load, dst: int, base: Base) -> None:
        """Give dst the bytes."""

    @abstractmethod
    def bound(self, asm: Assembler, insn: Bound, base: Base) -> None:
        """Leave the program unless the bytes before the bound are there."""


@dataclass(frozen=True)
class Direct(Access):
    """Direct packet access."""

    linear: LinearPart
    short: Label

    bank: ClassVar[Bank] = Bank(volatile=(2, 3, 4, 5), preserved=(9,))
    raw: ClassVar[bool] = True
    clobbers: ClassVar[bool] = False

    def prepare(self, program: Program) -> Program:
        """Put a Bound before every load that the verifier would refuse."""
        return explicit(program, FARTHEST)

    def goes_by_pointer(self, insn: Load | Bound, limits: Mapping[Reg, int]) -> bool:
        """Whether the verifier can tell that the offset is small enough for a pointer."""
        return insn.base is not None and farthest(insn, limits) <= FARTHEST

    def prologue(self) -> tuple[Insn, ...]:
        """Find the linear part."""
        return self.linear(DATA, DATA_END)

    def load(self, asm: Assembler, insn: Load, dst: int, base: Base) -> None:
        """Load; what a pointer cannot reach is compared as a number first."""
        pointer = DATA if base.register is None else base.register
        if base.limit + insn.offset + insn.width > FARTHEST:
            if base.register is None:
                asm.jump(self.short)
                return
            asm.emit(*_wrapping_sum(0, base.register, insn.offset))
            self._check_number(asm, insn.width)
            asm.emit(ebpf.load(insn.width, dst, 1, -insn.width))
        elif insn.offset > 0x7FFF:
            asm.emit(ebpf.mov_reg(0, pointer), ebpf.alu64(Alu.ADD, 0, insn.offset))
            asm.emit(ebpf.load(insn.width, dst, 0))
        else:
            asm.emit(ebpf.load(insn.width, dst, pointer, insn.offset))

    def bound(self, asm: Assembler, insn: Bound, base: Base) -> None:
        """Compare with the end of the linear part."""
        if base.limit + insn.end <= FARTHEST:
            asm.emit(ebpf.mov_reg(0, DATA if base.register is None else base.register))
            asm.emit(ebpf.alu64(Alu.ADD, 0, insn.end))
            asm.jump_if(ebpf.jump_reg(Jmp.JGT, 0, DATA_END), self.short)
        elif base.register is None or insn.end > FARTHEST:
            asm.jump(self.short)
        else:
            asm.emit(ebpf.mov(0, insn.end), ebpf.alu64_reg(Alu.ADD, 0, base.register))
            self._check_number(asm, 0)

    def _check_number(self, asm: Assembler, width: int) -> None:
        """Go on if [r0, r0 + width), any 64-bit number, is in the linear part; r1 is its end."""
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, FARTHEST - width), self.short)
        asm.emit(ebpf.mov_reg(1, DATA), ebpf.alu64_reg(Alu.ADD, 1, 0))
        if width:
            asm.emit(ebpf.alu64(Alu.ADD, 1, width))
        asm.jump_if(ebpf.jump_reg(Jmp.JGT, 1, DATA_END), self.short)


@dataclass(frozen=True)
class Untracked(Direct):
    """Direct access where addresses are no packet pointers to the verifier.

    It checks nothing, the kernel catches a load that faults: the bounds are ours to keep.
    """

    def pointer(self, dst: int, base: int) -> tuple[Insn, ...]:
        """Add the number to the address: the other way round the verifier sees a number."""
        if dst == base:
            return (*super().pointer(1, base), ebpf.mov_reg(dst, 1))
        return super().pointer(dst, base)


@dataclass(frozen=True)
class Copying(Access):
    """Through `load_bytes`, which fails where bytes are not in the packet."""

    load_bytes: Helper
    no_match: Label

    bank: ClassVar[Bank] = Bank(volatile=(2, 3, 4, 5), preserved=(7, 8, 9))
    raw: ClassVar[bool] = True
    clobbers: ClassVar[bool] = True

    def load(self, asm: Assembler, insn: Load, dst: int, base: Base) -> None:
        """Copy to the stack and read there."""
        if base.register is None:
            asm.emit(ebpf.mov(2, insn.offset))
        else:
            asm.emit(*_wrapping_sum(2, base.register, insn.offset))
        self._copy(asm, insn.width)
        asm.emit(ebpf.load(insn.width, dst, FRAME_POINTER, SCRATCH))

    def bound(self, asm: Assembler, insn: Bound, base: Base) -> None:
        """Copy the last byte."""
        _last_byte(asm, 2, insn, base, self.no_match)
        self._copy(asm, 1)

    def _copy(self, asm: Assembler, width: int) -> None:
        """Copy to the stack from offset r2, which the kernel takes as unsigned 32 bits."""
        asm.emit(ebpf.mov_reg(1, CTX), ebpf.mov_reg(3, FRAME_POINTER))
        asm.emit(ebpf.alu64(Alu.ADD, 3, SCRATCH), ebpf.mov(4, width), ebpf.call(self.load_bytes))
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), self.no_match)


@dataclass(frozen=True)
class Classic(Access):
    """LD_ABS and LD_IND.

    The kernel takes an offset as a signed number, and serves ancillary data for negative ones.
    """

    no_match: Label

    bank: ClassVar[Bank] = Bank(volatile=(2, 3, 4, 5), preserved=(7, 8, 9))
    raw: ClassVar[bool] = False
    clobbers: ClassVar[bool] = True

    def load(self, asm: Assembler, insn: Load, dst: int, base: Base) -> None:
        """Load; no offset becomes negative."""
        if base.register is None and insn.offset > _INT_MAX:
            asm.jump(self.no_match)
        elif base.register is None:
            asm.emit(ebpf.load_abs(insn.width, insn.offset))
        elif base.limit + insn.offset <= _INT_MAX:
            asm.emit(ebpf.load_ind(insn.width, base.register, insn.offset))
        else:
            asm.emit(*_wrapping_sum(0, base.register, insn.offset))
            asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, _INT_MAX), self.no_match)
            asm.emit(ebpf.load_ind(insn.width, 0, 0))
        asm.emit(ebpf.mov_reg(dst, 0))

    def bound(self, asm: Assembler, insn: Bound, base: Base) -> None:
        """Load the last byte."""
        _last_byte(asm, 0, insn, base, self.no_match)
        asm.emit(ebpf.load_ind(1, 0, 0))


def _wrapping_sum(dst: int, base: int, offset: int) -> tuple[Insn, ...]:
    """dst = base + offset, 32 bits.

    Not as a copy of base to which the offset is added: since 6.10 the verifier remembers how far
    apart the two are, and refuses to add to a pointer what was moved by much.
    """
    if dst == base:
        return (ebpf.alu32(Alu.ADD, dst, offset),)
    return ebpf.mov(dst, offset), ebpf.alu32_reg(Alu.ADD, dst, base)


def _last_byte(asm: Assembler, dst: int, insn: Bound, base: Base, no_match: Label) -> None:
    """dst = the offset of the last byte that a Bound asks for, at most INT_MAX."""
    last = insn.end - 1
    if last > _INT_MAX:
        asm.jump(no_match)
    elif base.register is None:
        asm.emit(ebpf.mov(dst, last))
    else:
        asm.emit(ebpf.mov_reg(dst, base.register), ebpf.alu64(Alu.ADD, dst, last))
        if base.limit + last > _INT_MAX:
            asm.jump_if(ebpf.jump_imm(Jmp.JGT, dst, _INT_MAX), no_match)
