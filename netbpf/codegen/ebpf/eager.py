"""The eager version of a program: for packets so long that no load fails.

It checks once that the packet has all bytes at constant offsets that it can ask for, then reads and
computes ahead, with few branches. What it does not do is left to the exact program, which begins
anew: packets that are too short, and headers that have to be searched for. That is sound, for a
filter has no effect before its verdict.

In an eager program every Bound or load that fails leads there (codegen.ebpf.generate), and not to
"no match" as the IR has it.
Depends on ir, codegen.ebpf.fold, codegen.ebpf.join_loads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netbpf.codegen.ebpf.access import FARTHEST
from netbpf.codegen.ebpf.arrange import doubts_last, late
from netbpf.codegen.ebpf.bounds import explicit
from netbpf.codegen.ebpf.fold import fold
from netbpf.codegen.ebpf.join_loads import join_loads
from netbpf.codegen.ebpf.sets import Tables
from netbpf.codegen.ebpf.webs import split_webs
from netbpf.ir.expressions import expression
from netbpf.ir.passes.propagate import propagate
from netbpf.ir.passes.prune import prune
from netbpf.ir.passes.straighten import straighten
from netbpf.ir.passes.unify import unify
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    U32,
    Block,
    Bound,
    Decide,
    Insn,
    Label,
    Load,
    Program,
    Reg,
    Return,
    Verdict,
    reads,
)
from netbpf.ir.redirect import redirected
from netbpf.records import replace

_MOST_BLOCKS = 400
_ROOM = 64
"""Bytes that are checked for at once: Ethernet, IPv6 and the ports of a transport header fit."""

_Known = dict[Reg, int]  # register → the number of its value
_VARIES = -1  # from way to way
_NOWHERE = Label("")  # where the first block is come to from
_MOST_WAYS = 4  # to a block that is made anew for each


def eager(program: Program, tables: Tables) -> Program | None:
    """Return the eager version, None where there would be nothing gained."""
    if program.outputs or len(program.blocks) > _MOST_BLOCKS:
        return None
    plain = _without_dead_ends(_without_searches(program))
    for improve in (split_webs, unify, propagate, prune, straighten):
        plain = improve(plain)
    ends = frozenset(block.label for block in plain if _leads_to_exact(block))
    if plain.blocks[0].label in ends:
        return None
    folded = fold(late(doubts_last(plain, ends), _ROOM), tables)
    if not any(isinstance(block.term, Decide) for block in folded) and _checks(program) < 2:
        return None
    return _with_bounds(join_loads(prune(folded)))


def _checks(program: Program) -> int:
    """Return how often the exact program checks for bytes at constant offsets."""
    checked = explicit(program, FARTHEST)
    return sum(
        isinstance(insn, Bound) and insn.base is None for block in checked for insn in block.insns
    )


def _without_searches(program: Program) -> Program:
    """End where a register is read that different ways give different values.

    A block that only tests such a register is made anew for each way.
    """
    values = _Values()
    arriving: dict[Label, dict[Label, _Known]] = {program.blocks[0].label: {_NOWHERE: {}}}
    own: dict[tuple[Label, Label], Label] = {}
    blocks: list[Block] = []
    for block in program:
        ways = arriving.pop(block.label, None)
        if ways is None:
            continue
        if not block.insns and 1 < len(ways) <= _MOST_WAYS and values.vary(block, _common(ways)):
            there = {way: Label(f"{block.label}.{way}") for way in ways}
            own.update({(way, block.label): label for way, label in there.items()})
            made = [(replace(block, label=there[way]), ways[way]) for way in ways]
        else:
            made = [(block, _common(ways))]
        for one, known in made:
            if values.vary(one, known):
                one = _exact(one)
            for target in one.targets():
                arriving.setdefault(target, {})[one.label] = known
            blocks.append(one)

    def led(block: Block) -> Block:
        return redirected(block, lambda target: own.get((block.label, target), target))

    return replace(program, blocks=tuple(map(led, blocks)))


def _without_dead_ends(program: Program) -> Program:
    """End where packets can only not match, or need the exact program to tell.

    Tests of what is known already stay, and so does a last look at the packet.
    """
    matching: set[Label] = set()
    ends: set[Label] = set()
    blocks: list[Block] = []
    for block in reversed(program.blocks):
        targets = set(block.targets())
        if not targets:
            ends.add(block.label)
            if not _leads_to_exact(block) and block.term == Return(Verdict.MATCH, block.term.span):
                matching.add(block.label)
        elif not matching.isdisjoint(targets):
            matching.add(block.label)
        elif not targets <= ends and any(isinstance(insn, Load) for insn in block.insns):
            block = _exact(block)
            ends.add(block.label)
        blocks.append(block)
    return drop_unreachable(replace(program, blocks=tuple(reversed(blocks))))


class _Values:
    """Numbers for what registers are assigned: one for the same expression of the same values."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}

    def vary(self, block: Block, known: _Known) -> bool:
        """Whether a block reads what varies; adds what it assigns to what is known."""
        for insn in block.insns:
            operands = tuple(known[reg] for reg in reads(insn))
            if _VARIES in operands:
                return True
            if isinstance(insn, Bound):
                continue
            made = expression(insn), operands
            known[insn.dst] = self._numbers.setdefault(made, len(self._numbers))
        return any(known[reg] == _VARIES for reg in reads(block.term))


def _common(ways: Mapping[Label, _Known]) -> _Known:
    """Return what is known whichever way was taken; a new dictionary."""
    first, *others = ways.values()
    return {
        reg: value if all(other[reg] == value for other in others) else _VARIES
        for reg, value in first.items()
        if all(reg in other for other in others)
    }


def _exact(block: Block) -> Block:
    """Return a block that fails: no packet is so long."""
    end = Bound(None, U32, block.term.span)
    return Block(block.label, (end,), Return(Verdict.MATCH))  # which no analysis takes for a miss


def _leads_to_exact(block: Block) -> bool:
    return any(isinstance(insn, Bound) and insn.end == U32 for insn in block.insns)


def _with_bounds(program: Program) -> Program:
    """Check for all that is loaded near the beginning, or behind one header, at once.

    What other ways do not need is checked for, too: at worst the exact program is asked.
    """
    farthest: dict[Reg | None, int] = {}
    for base, end in _extents(program):
        if end <= (_ROOM if base is None else FARTHEST):
            farthest[base] = max(end, farthest.get(base, 0))
    first, *rest = (_with_own_bounds(block, farthest) for block in program)
    if None in farthest:
        first = replace(first, insns=(Bound(None, farthest[None], first.term.span), *first.insns))
    return replace(program, blocks=(first, *rest))


def _with_own_bounds(block: Block, farthest: Mapping[Reg | None, int]) -> Block:
    """Put a Bound before each load behind a register; those that are covered go again."""
    insns: list[Insn] = []
    for insn in block.insns:
        if isinstance(insn, Load) and insn.base in farthest and insn.base is not None:
            insns.append(Bound(insn.base, farthest[insn.base], insn.span))
        insns.append(insn)
    return replace(block, insns=tuple(insns))


def _extents(program: Program) -> Iterator[tuple[Reg | None, int]]:
    for block in program:
        for insn in block.insns:
            if isinstance(insn, Bound):
                yield insn.base, insn.end
            elif isinstance(insn, Load):
                yield insn.base, insn.offset + insn.width
