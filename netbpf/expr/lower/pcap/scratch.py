"""Registers that are zero until assigned, as libpcap's scratch memory is.

`geneve or ip` asks for `ip` at offsets that only a Geneve packet assigns; on the others libpcap
reads the zeros that its machine starts with. The IR has no such zeros: a register is assigned on
every path to its use. This pass assigns them: where a path that has a value meets one that has
none, on the latter; and just before a use that no path has a value for. A packet takes one of these
ways, so a register still names one function of the packet.
Depends on ir.program.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from netbpf.ir.program import (
    Block,
    Const,
    Jump,
    Label,
    Program,
    Reg,
    reads,
    written,
)
from netbpf.ir.redirect import redirected
from netbpf.records import replace

_Regs = frozenset[Reg]


def zero_filled(program: Program, scratch: AbstractSet[Reg]) -> Program:
    """Return the program with zeros for those of `scratch` that a path would read unassigned."""
    if not scratch:
        return program
    wanted = _wanted(program, scratch)
    arriving: dict[Label, dict[Label, _Regs]] = {block.label: {} for block in program}
    detours: dict[tuple[Label, Label], Label] = {}
    blocks: list[Block] = []
    for block in program:
        edges = arriving[block.label]
        known = frozenset().union(*edges.values()) & wanted[block.label]
        for missing in dict.fromkeys(known - there for there in edges.values()):
            if missing:
                detour = Label(f"{block.label}.zero{len(blocks)}")
                blocks.append(Block(detour, _zeros(missing), Jump(block.label)))
                detours.update(
                    ((source, block.label), detour)
                    for source, there in edges.items()
                    if known - there == missing
                )
        missing = _read_first(block, scratch) - known
        blocks.append(replace(block, insns=_zeros(missing) + block.insns))
        known |= missing | _assigned(block, scratch)
        for target in block.targets():
            arriving[target][block.label] = known

    def led(block: Block) -> Block:
        return redirected(block, lambda target: detours.get((block.label, target), target))

    return replace(program, blocks=tuple(map(led, blocks)))


def _wanted(program: Program, scratch: AbstractSet[Reg]) -> dict[Label, _Regs]:
    """Return which registers are read, before being assigned, from each block's start on."""
    wanted: dict[Label, _Regs] = {}
    for block in reversed(program.blocks):
        later = frozenset[Reg]().union(*(wanted[target] for target in block.targets()))
        first = _read_first(block, scratch)
        wanted[block.label] = first | (later - _assigned(block, scratch))
    return wanted


def _read_first(block: Block, scratch: AbstractSet[Reg]) -> _Regs:
    """Return what a block reads before it assigns it."""
    found: set[Reg] = set()
    assigned: set[Reg] = set()
    for insn in block.insns:
        found.update(reg for reg in reads(insn) if reg not in assigned)
        reg = written(insn)
        if reg is not None:
            assigned.add(reg)
    found.update(reg for reg in reads(block.term) if reg not in assigned)
    return frozenset(found & scratch)


def _assigned(block: Block, scratch: AbstractSet[Reg]) -> _Regs:
    assigned = (written(insn) for insn in block.insns)
    return frozenset(reg for reg in assigned if reg is not None and reg in scratch)


def _zeros(regs: _Regs) -> tuple[Const, ...]:
    return tuple(Const(reg, 0) for reg in sorted(regs))
