"""What code generation must know of registers: how each is computed, and what that costs.

A register that has one expression can be computed again wherever it is assigned; for a load at a
fixed place that is cheaper than to keep it in M[]. A join, which has several, must be kept.
Depends on ir.
"""

from __future__ import annotations

from netbpf.ir.expressions import Assignment, definitions
from netbpf.ir.extent import Extents, needed_after, needed_extents
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.passes.guard_addresses import LIMIT
from netbpf.ir.program import (
    Alu,
    AluOp,
    Bound,
    Const,
    Copy,
    Label,
    Load,
    Meta,
    MetaField,
    Program,
    Reg,
)
from netbpf.records import dataclass

ENDLESS = 1 << 60
"""A cost that grows no more: expressions that share their parts would be exponential."""


@dataclass(frozen=True, slots=True)
class Values:
    """The registers of a program.

    `costs` are the instructions that it takes to compute a register in A, once what must be kept
    is in M[]. `needed` are the extents that are needed at the end of each block (ir.extent).
    """

    single: dict[Reg, Assignment]
    joins: set[Reg]
    ranges: dict[Reg, Interval]
    costs: dict[Reg, int]
    needed: dict[Label, Extents | None]
    stripped_tags: bool

    def header_length(self, reg: Reg) -> int | None:
        """Return the offset k if the register is 4 * (byte at k & 0xf), which X loads at once."""
        shift = self.single.get(reg)
        if not isinstance(shift, Alu) or (shift.op, shift.b) not in _TIMES_4:
            return None
        mask = self.single.get(shift.a)
        if not isinstance(mask, Alu) or (mask.op, mask.b) != (AluOp.AND, 0xF):
            return None
        byte = self.single.get(mask.a)
        if isinstance(byte, Load) and byte.base is None and byte.width == 1:
            return byte.offset
        return None

    def address(self, base: Reg, offset: int, width: int) -> tuple[Reg, int]:
        """Return what X must hold for a load at base + offset, and its k.

        Constants that were added to the base go into k, where the sum surely stays small.
        """
        while True:
            total = self.single.get(base)
            if not isinstance(total, Alu) or total.op is not AluOp.ADD:
                return base, offset
            if not isinstance(total.b, int):
                return base, offset
            if self.ranges[total.a].high + total.b + offset + width > LIMIT:
                return base, offset
            base, offset = total.a, total.b + offset


_TIMES_4 = ((AluOp.LSH, 2), (AluOp.MUL, 4))


def values(program: Program, *, stripped_tags: bool) -> Values:
    """Look at every register of a program."""
    single, joins = definitions(program)
    ranges = intervals(program)
    starts = needed_extents(program, ranges)
    needed = {block.label: needed_after(block, starts) for block in program}
    result = Values(single, joins, ranges, {}, needed, stripped_tags)
    for block in program:
        for insn in block.insns:
            if not isinstance(insn, Bound) and insn.dst not in result.costs:
                cost = 1 if insn.dst in joins else _cost(insn, result)
                result.costs[insn.dst] = min(cost, ENDLESS)
    return result


def _cost(insn: Assignment, known: Values) -> int:
    if isinstance(insn, Copy):
        return known.costs[insn.src]
    if isinstance(insn, Alu):
        if known.header_length(insn.dst) is not None:
            return 2
        if isinstance(insn.b, int):
            return known.costs[insn.a] + 1
        return known.costs[insn.a] + known.costs[insn.b] + 2
    if isinstance(insn, Load) and insn.base is not None:
        root, _ = known.address(insn.base, insn.offset, insn.width)
        return 1 + cost_in_x(root, known)
    if isinstance(insn, Meta) and insn.field is MetaField.OUTBOUND:
        return 4
    if isinstance(insn, Meta) and insn.field is MetaField.LENGTH and known.stripped_tags:
        return 5
    return 1


def cost_in_x(reg: Reg, known: Values) -> int:
    """Return what it takes to compute a register in X."""
    direct = reg in known.joins or isinstance(known.single[reg], Const)
    if direct or known.header_length(reg) is not None:
        return 1
    return known.costs[reg] + 1
