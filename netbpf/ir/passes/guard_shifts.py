"""A branch around every shift by a register that could be 32 or more.

Machines differ there: the kernel's shifts go by the low five bits. Behind the guard the shift is
by 31 at most, and beside it the result is 0, as the IR has it.
"""

from __future__ import annotations

from typing import TypeGuard

from netbpf.ir.fresh import Fresh
from netbpf.ir.intervals import intervals
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Branch,
    Cmp,
    Const,
    Insn,
    Jump,
    Program,
)
from netbpf.records import replace


def guard_shifts(program: Program) -> Program:
    """Split blocks at unbounded shifts; the shifted register becomes a join."""
    ranges = intervals(program)
    fresh = Fresh(program)
    blocks: list[Block] = []
    for block in program:
        label = block.label
        insns: list[Insn] = []
        for insn in block.insns:
            if not _is_shift(insn) or isinstance(insn.b, int) or ranges[insn.b].high < 32:
                insns.append(insn)
                continue
            zero, shift, done = (fresh.label(block.label) for _ in range(3))
            test = Branch(Cmp.GE, insn.b, 32, zero, shift, insn.span)
            blocks.append(Block(label, tuple(insns), test))
            blocks.append(Block(zero, (Const(insn.dst, 0, insn.span),), Jump(done, insn.span)))
            blocks.append(Block(shift, (insn,), Jump(done, insn.span)))
            label, insns = done, []
        blocks.append(Block(label, tuple(insns), block.term))
    return replace(program, blocks=tuple(blocks))


def _is_shift(insn: Insn) -> TypeGuard[Alu]:
    return isinstance(insn, Alu) and insn.op in (AluOp.LSH, AluOp.RSH)
