"""Drop what makes no difference: values that nothing reads, checks that others make.

An unused load is still a check. It goes where something before it proves its extent, or where every
continuation does or returns "no match" (ir.extent). Blocks from which no way leads to a match only
say so.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.ir.extent import (
    Extents,
    common,
    needed_after,
    needed_before,
    proof,
    widen,
)
from netbpf.ir.intervals import Interval, intervals, may_divide_by_zero
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    Block,
    Bound,
    Insn,
    Label,
    Load,
    Program,
    Reg,
    Return,
    Verdict,
    reads,
    written,
)
from netbpf.records import replace

Place = tuple[Label, int]
"""An instruction, by its block and its index there."""


def prune(program: Program) -> Program:
    """Walk forwards to find the proved checks, then backwards to drop what is not wanted.

    A proof may itself be dropped only for one further on, so no two checks vanish for each other.
    """
    ranges = intervals(program)
    backwards = _Backwards(program, ranges, _proved(program, ranges))
    blocks = [backwards.block(block) for block in reversed(program.blocks)]
    return drop_unreachable(replace(program, blocks=tuple(reversed(blocks))))


def _proved(program: Program, ranges: Mapping[Reg, Interval]) -> set[Place]:
    """Return the places of loads and bounds that something on every way to them covers."""
    proved: set[Place] = set()
    arriving: dict[Label, list[Extents]] = {program.blocks[0].label: [{}]}
    for block in program:
        extents = common(arriving.pop(block.label))
        for index, insn in enumerate(block.insns):
            extent = proof(insn, ranges)
            if extent is None:
                continue
            if extents.get(extent[0], 0) >= extent[1]:
                proved.add((block.label, index))
            else:
                widen(extents, *extent)
        for target in block.targets():
            arriving.setdefault(target, []).append(extents)
    return proved


class _Backwards:
    """Which registers are read, and which extents are needed, from each block on."""

    def __init__(
        self, program: Program, ranges: Mapping[Reg, Interval], proved: set[Place]
    ) -> None:
        self._ranges = ranges
        self._proved = proved
        self._numbers: dict[Reg, int] = {}
        self._outputs = self._set(program.outputs)
        self._live: dict[Label, int] = {}
        self._needed: dict[Label, Extents | None] = {}

    def block(self, block: Block) -> Block:
        extents = needed_after(block, self._needed)
        if extents is None:
            self._live[block.label], self._needed[block.label] = 0, None
            return Block(block.label, (), Return(Verdict.NO_MATCH, block.term.span))
        live = self._set(reads(block.term))
        if isinstance(block.term, Return):
            live |= self._outputs
        for target in block.targets():
            live |= self._live[target]
        kept: list[Insn] = []
        for index, insn in reversed(list(enumerate(block.insns))):
            dst = written(insn)
            if dst is None or not live & self._bit(dst):
                proved = (block.label, index) in self._proved
                if proved or not self._checks(insn, extents):
                    continue
            kept.append(insn)
            needed_before(insn, extents, self._ranges)
            if dst is not None:
                live &= ~self._bit(dst)
            live |= self._set(reads(insn))
        self._live[block.label], self._needed[block.label] = live, extents
        return block if len(kept) == len(block.insns) else replace(block, insns=tuple(kept[::-1]))

    def _checks(self, insn: Insn, needed: Extents) -> bool:
        """Return whether the verdict could differ without the check that an instruction makes."""
        if not isinstance(insn, (Load, Bound)):
            return may_divide_by_zero(insn, self._ranges.__getitem__)
        extent = proof(insn, self._ranges)
        if extent is None:
            return True
        return needed.get(extent[0], 0) < extent[1]

    def _bit(self, reg: Reg) -> int:
        return 1 << self._numbers.setdefault(reg, len(self._numbers))

    def _set(self, regs: tuple[Reg, ...]) -> int:
        bits = 0
        for reg in regs:
            bits |= self._bit(reg)
        return bits
