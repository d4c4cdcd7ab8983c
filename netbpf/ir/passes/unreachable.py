"""Drop the blocks that no path reaches."""

from __future__ import annotations

from netbpf.ir.program import Program
from netbpf.records import replace


def drop_unreachable(program: Program) -> Program:
    """Keep the entry and what can be reached from it. One walk, for edges go forwards."""
    reached = {program.blocks[0].label}
    for block in program:
        if block.label in reached:
            reached.update(block.targets())
    if len(reached) == len(program.blocks):
        return program
    return replace(program, blocks=tuple(b for b in program if b.label in reached))
