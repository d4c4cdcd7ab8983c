"""How far into the packet a program is bound to look.

An extent (base, end) says that base + end, without wrapping, does not exceed the captured length.
A Load or Bound that succeeds *proves* its extent. Going backwards, an extent is *needed* where
every continuation proves it or returns "no match": a check of it there changes no verdict, and one
that is there already can go, provided that those behind it stay.
Depends on ir.program and ir.intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netbpf.ir.intervals import Interval
from netbpf.ir.program import (
    U32,
    Block,
    Bound,
    Insn,
    Label,
    Load,
    Program,
    Reg,
    Return,
    Verdict,
    written,
)

Extents = dict["Reg | None", int]
"""Ends by base; a base that is not there has no extent."""

_LIMIT = 32
"""How many bases are followed at once, so that no program takes quadratic time."""


def proof(insn: Insn, ranges: Mapping[Reg, Interval]) -> tuple[Reg | None, int] | None:
    """Return the extent that an instruction proves by not ending the program."""
    if isinstance(insn, Bound):
        return insn.base, insn.end
    if not isinstance(insn, Load):
        return None
    end = insn.offset + insn.width
    highest = 0 if insn.base is None else ranges[insn.base].high
    return (insn.base, end) if highest + end <= U32 else None


def widen(extents: Extents, base: Reg | None, end: int) -> None:
    """Add an extent, in place."""
    if extents.get(base, 0) < end:
        extents[base] = end
        if len(extents) > _LIMIT:
            del extents[next(iter(extents))]


def common(sets: Iterable[Extents]) -> Extents:
    """Return what all sets have; nothing if there are none."""
    result: Extents | None = None
    for one in sets:
        if result is None:
            result = dict(one)
        elif result:
            result = {base: min(end, one[base]) for base, end in result.items() if base in one}
    return result or {}


def needed_after(block: Block, needed: Mapping[Label, Extents | None]) -> Extents | None:
    """Return the extents needed where a block ends; None where every way returns "no match"."""
    if isinstance(block.term, Return):
        return {} if block.term.verdict is Verdict.MATCH else None
    ways = [way for target in block.targets() if (way := needed[target]) is not None]
    return common(ways) if ways else None


def needed_before(insn: Insn, extents: Extents | None, ranges: Mapping[Reg, Interval]) -> None:
    """Turn the extents needed after an instruction into those before it, in place."""
    if extents is None:
        return
    dst = written(insn)
    if dst is not None:
        extents.pop(dst, None)  # a base is not known before it is assigned
    proved = proof(insn, ranges)
    if proved is not None:
        widen(extents, *proved)


def needed_extents(program: Program, ranges: Mapping[Reg, Interval]) -> dict[Label, Extents | None]:
    """Return the extents needed at the start of each block; None: it returns "no match"."""
    needed: dict[Label, Extents | None] = {}
    for block in reversed(program.blocks):
        extents = needed_after(block, needed)
        for insn in reversed(block.insns):
            needed_before(insn, extents, ranges)
        needed[block.label] = extents
    return needed
