"""What registers stand for: one expression, or, for a join, several.

Depends on ir.program.
"""

from __future__ import annotations

from netbpf.ir.program import Alu, Bound, Const, Copy, Load, Meta, Program, Reg

Assignment = Const | Copy | Load | Meta | Alu


def expression(insn: Assignment) -> tuple[object, ...]:
    """Return the right side of an assignment, to be compared: no destination and no span."""
    if isinstance(insn, Load):
        return (Load, insn.base, insn.offset, insn.width)
    if isinstance(insn, Alu):
        return (Alu, insn.op, insn.a, insn.b)
    if isinstance(insn, Const):
        return (Const, insn.value)
    if isinstance(insn, Copy):
        return (Copy, insn.src)
    return (Meta, insn.field)


def definitions(program: Program) -> tuple[dict[Reg, Assignment], set[Reg]]:
    """Return the registers with one expression, with it, and the joins."""
    single: dict[Reg, Assignment] = {}
    joins: set[Reg] = set()
    for block in program:
        for insn in block.insns:
            if isinstance(insn, Bound) or insn.dst in joins:
                continue
            before = single.setdefault(insn.dst, insn)
            if before is not insn and expression(before) != expression(insn):
                joins.add(insn.dst)
                del single[insn.dst]
    return single, joins
