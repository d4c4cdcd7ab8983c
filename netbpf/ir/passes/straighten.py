"""Blocks that need not be: the empty, the split, and the twice written.

- A test that leads to one block either way is a jump, and whatever goes to a block that only jumps
  goes where that leads.
- Blocks that do the same and lead to the same places become one.
- A block joins the one before it, if that leads nowhere else and nothing else leads to it.
"""

from __future__ import annotations

from collections import Counter

from netbpf.ir.expressions import expression
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    Block,
    Bound,
    Branch,
    Decide,
    Insn,
    Jump,
    Label,
    Member,
    Program,
    Return,
    Terminator,
)
from netbpf.records import replace


def straighten(program: Program) -> Program:
    """Do all three, and drop what nothing leads to any more."""
    return _join_chains(drop_unreachable(_share(program)))


def _share(program: Program) -> Program:
    """Walk backwards, so that where a block leads is settled before the block is looked at."""
    leads: dict[Label, Label] = {}
    known: dict[object, Label] = {}
    blocks: list[Block] = []
    for block in reversed(program.blocks):
        term = _redirect(block.term, leads)
        if isinstance(term, Jump) and not block.insns and block is not program.blocks[0]:
            leads[block.label] = term.target
            continue
        if block is not program.blocks[0]:
            same = known.setdefault(_content(block.insns, term), block.label)
            if same != block.label:
                leads[block.label] = same
                continue
        blocks.append(block if term is block.term else replace(block, term=term))
    return replace(program, blocks=tuple(reversed(blocks)))


def _redirect(term: Terminator, leads: dict[Label, Label]) -> Terminator:
    if isinstance(term, Return):
        return term
    if isinstance(term, Jump):
        target = leads.get(term.target, term.target)
        return term if target == term.target else replace(term, target=target)
    then, orelse = leads.get(term.then, term.then), leads.get(term.orelse, term.orelse)
    if then == orelse:
        return Jump(then, term.span)
    if (then, orelse) == (term.then, term.orelse):
        return term
    return replace(term, then=then, orelse=orelse)


def _content(insns: tuple[Insn, ...], term: Terminator) -> object:
    """Return what a block does, to be compared: without its label and spans."""
    does = tuple(
        (insn.base, insn.end) if isinstance(insn, Bound) else (insn.dst, expression(insn))
        for insn in insns
    )
    if isinstance(term, Branch):
        return does, term.op, term.a, term.b, term.then, term.orelse
    if isinstance(term, Decide):
        return does, term.formula, term.then, term.orelse
    if isinstance(term, Member):
        return does, term.regs, id(term.members), term.then, term.orelse
    return does, term.target if isinstance(term, Jump) else term.verdict


def _join_chains(program: Program) -> Program:
    """Append to each block the ones that only follow it."""
    ways = Counter(target for block in program for target in block.targets())
    blocks = {block.label: block for block in program}
    joined: set[Label] = set()
    result: list[Block] = []
    for block in program:
        if block.label in joined:
            continue
        insns = list(block.insns)
        term = block.term
        while isinstance(term, Jump) and ways[term.target] == 1:
            follower = blocks[term.target]
            joined.add(follower.label)
            insns.extend(follower.insns)
            term = follower.term
        result.append(block if term is block.term else Block(block.label, tuple(insns), term))
    return replace(program, blocks=tuple(result))
