"""Find the values that can stay in network byte order.

A two- or four-byte load gives the bytes as they are on the wire, and a little-endian machine has
to swap them to get the number. Where a value is only tested for equality or for bits, or masked,
swapping the constants at compile time does as well: swapping is a permutation of bits, and those
operations treat all bits alike.
Depends on ir.program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from netbpf.ir.formula import Bits
from netbpf.ir.program import (
    Alu,
    AluOp,
    Branch,
    Cmp,
    Const,
    Copy,
    Decide,
    Insn,
    Load,
    Program,
    Reg,
    reads,
    written,
)

_BITWISE = (AluOp.AND, AluOp.OR, AluOp.XOR)


def on_wire(program: Program) -> dict[Reg, int]:
    """Return the registers to be kept in network byte order, with their width (2 or 4 bytes).

    Whatever is tied together (by a copy or an operation on both) is kept in one order.
    """
    if sys.byteorder == "big":
        return {}
    ties = _Ties()
    ties.refuse(program.outputs)
    for block in program:
        for insn in block.insns:
            ties.add_insn(insn)
        if isinstance(block.term, Branch) and block.term.op in (Cmp.EQ, Cmp.SET):
            ties.tie(*reads(block.term))
        elif isinstance(block.term, Decide):
            ties.refuse(
                leaf.reg for leaf in block.term.formula.leaves() if not isinstance(leaf, Bits)
            )
        else:
            ties.refuse(reads(block.term))
    return ties.settle()


def swap(value: int, width: int) -> int:
    """Permute a 32-bit constant's bits as a value of `width` bytes has them on the wire."""
    low = value & ((1 << 8 * width) - 1)
    return value - low | int.from_bytes(low.to_bytes(width, "big"), "little")


class _Ties:
    """Registers that must be kept in one order, and what stands against the wire's."""

    def __init__(self) -> None:
        self._tied: dict[Reg, set[Reg]] = {}
        self._widths: dict[Reg, set[int]] = {}  # of the loads that give a register its value
        self._refused: set[Reg] = set()

    def add_insn(self, insn: Insn) -> None:
        if isinstance(insn, Load):
            self._widths.setdefault(insn.dst, set()).add(insn.width)
            self.refuse(reads(insn))
        elif isinstance(insn, Copy) or (isinstance(insn, Alu) and insn.op in _BITWISE):
            self.tie(insn.dst, *reads(insn))
        elif not isinstance(insn, Const):
            dst = written(insn)
            self.refuse((*reads(insn), *((dst,) if dst else ())))

    def tie(self, first: Reg, *others: Reg) -> None:
        for other in others:
            self._tied.setdefault(first, set()).add(other)
            self._tied.setdefault(other, set()).add(first)

    def refuse(self, regs: Iterable[Reg]) -> None:
        self._refused.update(regs)

    def settle(self) -> dict[Reg, int]:
        """Return the groups of tied registers that hold loads of one width and nothing refused."""
        order: dict[Reg, int] = {}
        seen: set[Reg] = set()
        for start in self._widths:
            if start not in seen:
                group = self._group(start)
                seen |= group
                widths = set().union(*(self._widths.get(reg, ()) for reg in group))
                if widths in ({2}, {4}) and not group & self._refused:
                    order.update(dict.fromkeys(group, widths.pop()))
        return order

    def _group(self, start: Reg) -> set[Reg]:
        group, pending = {start}, [start]
        while pending:
            new = self._tied.get(pending.pop(), set()) - group
            group |= new
            pending += new
        return group
