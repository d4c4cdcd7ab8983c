"""Names for blocks and registers that a program does not have yet.

Depends on ir.program.
"""

from __future__ import annotations

from netbpf.ir.program import Label, Program, Reg, written


class Fresh:
    """The names that are taken, and more of them with every one given out."""

    def __init__(self, program: Program) -> None:
        self._labels = {block.label for block in program}
        self._regs = {written(insn) for block in program for insn in block.insns}
        self._count = 0

    def label(self, hint: str) -> Label:
        """Return a new label that begins with `hint`."""
        while (label := Label(f"{hint}.{self._count}")) in self._labels:
            self._count += 1
        self._labels.add(label)
        return label

    def reg(self, name: str) -> Reg:
        """Return a new register, called `name` if that is not taken."""
        reg = Reg(name)
        while reg in self._regs:
            self._count += 1
            reg = Reg(f"{name}.{self._count}")
        self._regs.add(reg)
        return reg
