"""Put bounds checks where a way of reading bytes needs them, and nowhere else.

Depends on ir.program, ir.extent, ir.intervals, codegen.ebpf.ranges.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.codegen.ebpf.ranges import upper_bounds
from netbpf.ir.extent import Extents, common, needed_after, needed_before
from netbpf.ir.intervals import intervals
from netbpf.ir.program import Block, Bound, Insn, Label, Load, Program, Reg
from netbpf.records import replace


def farthest(insn: Load | Bound, limits: Mapping[Reg, int]) -> int:
    """Return the largest offset that an instruction may ask to lie within the packet."""
    end = insn.end if isinstance(insn, Bound) else insn.offset + insn.width
    return end if insn.base is None else limits[insn.base] + end


def explicit(program: Program, reach: int) -> Program:
    """Put a `Bound` before each load that none covers yet, and drop those that another covers.

    For code in which loads do not check; what may be farther than `reach` is left to itself.
    """
    limits = upper_bounds(program)
    arriving: dict[Label, Extents] = {program.blocks[0].label: {}}
    blocks: list[Block] = []
    for block in program:
        known = dict(arriving.pop(block.label))
        insns: list[Insn] = []
        for insn in block.insns:
            if isinstance(insn, (Load, Bound)) and farthest(insn, limits) <= reach:
                end = insn.end if isinstance(insn, Bound) else insn.offset + insn.width
                if known.get(insn.base, 0) < end:
                    known[insn.base] = end
                    insns.append(Bound(insn.base, end, insn.span))
            if not isinstance(insn, Bound):
                known.pop(insn.dst, None)  # its packet pointer is made anew
            elif farthest(insn, limits) <= reach:
                continue
            insns.append(insn)
        for target in block.targets():
            before = arriving.get(target)
            arriving[target] = known if before is None else common((before, known))
        blocks.append(replace(block, insns=tuple(insns)))
    return replace(program, blocks=tuple(blocks))


def without_implied(program: Program) -> Program:
    """Drop each `Bound` behind which every way loads there or ends with "no match" anyway.

    For code in which every load checks for itself.
    """
    ranges = intervals(program)
    needed: dict[Label, Extents | None] = {}
    blocks: list[Block] = []
    for block in reversed(program.blocks):
        extents = needed_after(block, needed)
        kept: list[Insn] = []
        for insn in reversed(block.insns):
            implied = isinstance(insn, Bound) and (
                extents is None or extents.get(insn.base, 0) >= insn.end
            )
            if not implied:
                needed_before(insn, extents, ranges)
                kept.append(insn)
        needed[block.label] = extents
        blocks.append(replace(block, insns=tuple(reversed(kept))))
    return replace(program, blocks=tuple(reversed(blocks)))
