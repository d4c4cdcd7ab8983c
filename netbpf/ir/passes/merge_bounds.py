"""One check for several loads.

Where a load is not covered by a check before it, and every continuation goes on to load further
behind the same base or returns "no match", a Bound is put before it that reaches as far as all of
them do. Where the packet is shorter the verdict is "no match" either way. Loads behind a Bound need
no check of their own; targets whose loads check themselves drop the Bound again.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.ir.extent import (
    Extents,
    common,
    needed_after,
    needed_before,
    needed_extents,
    proof,
    widen,
)
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.program import Block, Bound, Insn, Label, Program, Reg
from netbpf.records import replace


def merge_bounds(program: Program) -> Program:
    """Insert Bounds ahead of the loads that they are for."""
    ranges = intervals(program)
    needed = needed_extents(program, ranges)
    arriving: dict[Label, list[Extents]] = {program.blocks[0].label: [{}]}
    blocks: list[Block] = []
    for block in program:
        proved = common(arriving.pop(block.label))
        blocks.append(_with_bounds(block, proved, needed_after(block, needed), ranges))
        for target in block.targets():
            arriving.setdefault(target, []).append(proved)
    return replace(program, blocks=tuple(blocks))


def _with_bounds(
    block: Block, proved: Extents, needed: Extents | None, ranges: Mapping[Reg, Interval]
) -> Block:
    """Return the block with its Bounds; `proved` becomes what is proved at its end."""
    ahead = _needed_at_each(block, needed, ranges)
    insns: list[Insn] = []
    for insn, end in zip(block.insns, ahead, strict=True):
        extent = proof(insn, ranges)
        if extent is not None:
            base = extent[0]
            if proved.get(base, 0) >= extent[1]:
                if isinstance(insn, Bound):
                    continue
            elif end > extent[1]:
                insns.append(Bound(base, end, insn.span))
                widen(proved, base, end)
                if isinstance(insn, Bound):
                    continue
            else:
                widen(proved, *extent)
        insns.append(insn)
    return replace(block, insns=tuple(insns))


def _needed_at_each(
    block: Block, needed: Extents | None, ranges: Mapping[Reg, Interval]
) -> list[int]:
    """Return, per instruction, the end that is needed behind the base that it checks."""
    ends: list[int] = []
    for insn in reversed(block.insns):
        needed_before(insn, needed, ranges)
        extent = proof(insn, ranges)
        ends.append(0 if needed is None or extent is None else needed.get(extent[0], 0))
    return ends[::-1]
