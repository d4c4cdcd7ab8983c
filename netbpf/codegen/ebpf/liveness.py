"""Which values are still needed where a block begins.

Depends on ir.program.
"""

from __future__ import annotations

from itertools import chain

from netbpf.ir.program import Label, Program, Reg, Return, Terminator, Verdict, reads, written


def live_in(program: Program) -> dict[Label, set[Reg]]:
    """Return for each block the registers that are read after its start and assigned before."""
    live: dict[Label, set[Reg]] = {}
    for block in reversed(program.blocks):
        needed = set(chain.from_iterable(live[target] for target in block.targets()))
        needed.update(reads(block.term), program.outputs if matches(block.term) else ())
        for insn in reversed(block.insns):
            dst = written(insn)
            if dst is not None:
                needed.discard(dst)
            needed.update(reads(insn))
        live[block.label] = needed
    return live


def matches(term: Terminator) -> bool:
    """Whether a block ends the program with a match."""
    return isinstance(term, Return) and term.verdict is Verdict.MATCH
