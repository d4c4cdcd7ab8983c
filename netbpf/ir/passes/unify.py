"""One register for one expression.

Two registers of the same expression have the same value on every packet, so the later name gives
way to the first wherever it stands; a copy gives way to what it copies. The assignments that are
then repeated go in `propagate`. Joins keep their names.
"""

from __future__ import annotations

from netbpf.ir.expressions import Assignment, definitions, expression
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Copy,
    Decide,
    Insn,
    Load,
    Member,
    Program,
    Reg,
    Terminator,
)
from netbpf.records import replace

SYMMETRIC = frozenset({AluOp.ADD, AluOp.MUL, AluOp.AND, AluOp.OR, AluOp.XOR})


def unify(program: Program) -> Program:
    """Rename registers; drop the copies that become copies to themselves."""
    single, _ = definitions(program)
    names = _Names(single)
    blocks = tuple(names.block(block) for block in program)
    return replace(program, blocks=blocks, outputs=tuple(names.of(reg) for reg in program.outputs))


class _Names:
    """The name that stands for each register, found in the order of definition."""

    def __init__(self, single: dict[Reg, Assignment]) -> None:
        self._single = single
        self._names: dict[Reg, Reg] = {}
        self._known: dict[tuple[object, ...], Reg] = {}

    def of(self, reg: Reg) -> Reg:
        return self._names.get(reg, reg)

    def block(self, block: Block) -> Block:
        insns = tuple(
            renamed
            for renamed in (self._insn(insn) for insn in block.insns)
            if not isinstance(renamed, Copy) or renamed.src != renamed.dst
        )
        return Block(block.label, insns, self._term(block.term))

    def _insn(self, insn: Insn) -> Insn:
        if isinstance(insn, Bound):
            return replace(insn, base=self.of(insn.base)) if insn.base else insn
        renamed = self._operands(insn)
        if insn.dst not in self._single:
            return renamed
        name = self._names.get(insn.dst)
        if name is None:
            if isinstance(renamed, Copy):
                name = renamed.src
            else:
                name = self._known.setdefault(expression(renamed), insn.dst)
            self._names[insn.dst] = name
        return renamed if name == insn.dst else replace(renamed, dst=name)

    def _operands(self, insn: Assignment) -> Assignment:
        if isinstance(insn, Load):
            base = self.of(insn.base) if insn.base is not None else None
            return insn if base == insn.base else replace(insn, base=base)
        if isinstance(insn, Copy):
            return replace(insn, src=self.of(insn.src))
        if isinstance(insn, Alu):
            a, b = self.of(insn.a), insn.b
            if not isinstance(b, int):
                b = self.of(b)
                if insn.op in SYMMETRIC and b < a:
                    a, b = b, a
            return insn if (a, b) == (insn.a, insn.b) else replace(insn, a=a, b=b)
        return insn

    def _term(self, term: Terminator) -> Terminator:
        if isinstance(term, Branch):
            a = self.of(term.a)
            b = term.b if isinstance(term.b, int) else self.of(term.b)
            return term if (a, b) == (term.a, term.b) else replace(term, a=a, b=b)
        if isinstance(term, Decide):
            names = {reg: self.of(reg) for reg in term.formula.registers()}
            return replace(term, formula=term.formula.renamed(names))
        if isinstance(term, Member):
            return replace(term, regs=tuple(self.of(reg) for reg in term.regs))
        return term
