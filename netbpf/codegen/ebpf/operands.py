"""Where values are while code runs: registers, and stack slots behind two scratch registers.

Depends on asm, codegen.ebpf.regalloc, codegen.ebpf.stack.
"""

from __future__ import annotations

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler
from netbpf.asm.ebpf import FRAME_POINTER
from netbpf.codegen.ebpf.regalloc import Allocation
from netbpf.codegen.ebpf.stack import Frame
from netbpf.ir.program import Reg

SCRATCH = (0, 1)
"""Registers that hold no value from one instruction of the IR to the next."""


class Operands:
    """An allocation in use."""

    def __init__(self, asm: Assembler, allocation: Allocation, frame: Frame) -> None:
        self._asm = asm
        self._registers = allocation.registers
        self._slots = {reg: frame.slot(slot) for reg, slot in allocation.slots.items()}

    def is_spilled(self, reg: Reg) -> bool:
        """Whether the value is on the stack."""
        return reg in self._slots

    def read(self, reg: Reg, scratch: int = 0) -> int:
        """Return the register that holds a value: its own, or `scratch`, loaded from the stack."""
        if reg in self._slots:
            self._asm.emit(ebpf.load(8, scratch, FRAME_POINTER, self._slots[reg]))
            return scratch
        return self._registers[reg]

    def target(self, reg: Reg) -> int:
        """Return the register to compute a value in: its own or r0. Then call `done`."""
        return self._registers.get(reg, 0)

    def done(self, reg: Reg) -> None:
        """Write a computed value to the stack if that is where it lives."""
        if reg in self._slots:
            self._asm.emit(ebpf.store(8, FRAME_POINTER, self._slots[reg], 0))
