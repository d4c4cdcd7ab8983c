"""Put the tests and loads of an eager program where they cost least.

- What is read in one later block only is assigned there.
- Whether a header needs the exact program is asked after what rules that out: a packet whose IPv6
  header names TCP has no extension header.
Depends on ir.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from netbpf.ir.fresh import Fresh
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Branch,
    Cmp,
    Insn,
    Label,
    Load,
    Member,
    Program,
    Reg,
    Terminator,
    reads,
    written,
)
from netbpf.records import replace

_Members = tuple[tuple[int, int], ...]


def late(program: Program, room: int) -> Program:
    """Move assignments to the one block that reads them, but for what can end the program.

    Loads of the packet's first `room` bytes cannot: these are checked for before all else.
    """
    made = Counter(written(insn) for block in program for insn in block.insns)
    readers: dict[Reg, set[Label]] = {}
    insns: dict[Label, list[Insn]] = {}
    for block in reversed(program.blocks):
        _note(readers, reads(block.term), block.label)
        insns[block.label] = []
        for insn in reversed(block.insns):
            dst = written(insn)
            there = block.label
            only = readers.get(dst, ()) if dst is not None and made[dst] == 1 else ()
            if len(only) == 1 and not _can_fail(insn, room):
                (there,) = only
            _note(readers, reads(insn), there)
            insns[there].insert(0, insn)
    blocks = (replace(block, insns=tuple(insns[block.label])) for block in program)
    return replace(program, blocks=tuple(blocks))


def _can_fail(insn: Insn, room: int) -> bool:
    if isinstance(insn, Load):
        return insn.base is not None or insn.offset + insn.width > room
    return isinstance(insn, Alu) and insn.op in (AluOp.DIV, AluOp.MOD)


def _note(readers: dict[Reg, set[Label]], regs: Iterable[Reg], label: Label) -> None:
    for reg in regs:
        readers.setdefault(reg, set()).add(label)


def doubts_last(program: Program, exact: AbstractSet[Label]) -> Program:
    """Ask for what is in `exact`, ends of the program, after a test that rules it out."""
    blocks = {block.label: block for block in program}
    ways = Counter(target for block in program for target in block.targets())
    fresh = Fresh(program)
    result: list[Block] = []
    for block in program:
        block = blocks[block.label]
        doubt, follower = block.term, blocks.get(block.targets()[-1]) if block.targets() else None
        if (
            isinstance(doubt, (Branch, Member))
            and follower is not None
            and doubt.then in exact
            and ways[follower.label] == 1
            and _rules_out(follower.term, doubt)
        ):
            assert isinstance(follower.term, (Branch, Member))
            later = Block(fresh.label("doubt"), (), replace(doubt, orelse=follower.term.orelse))
            test = replace(follower.term, orelse=later.label)
            result.append(Block(block.label, block.insns + follower.insns, test))
            blocks[follower.label] = later
        else:
            result.append(block)
    result.sort(key=lambda block: block.label in exact)  # behind all that leads there now
    return replace(program, blocks=tuple(result))


def _rules_out(test: Terminator, doubt: Branch | Member) -> bool:
    """Whether a test that holds of a register says that another one of it does not."""
    wanted, doubted = _members(test), _members(doubt)
    if wanted is None or doubted is None or wanted[0] != doubted[0]:
        return False
    return all(high < start or end < low for low, high in wanted[1] for start, end in doubted[1])


def _members(test: Terminator) -> tuple[Reg, _Members] | None:
    """Return the register that a test is of, and the values that it holds for."""
    if isinstance(test, Branch) and test.op is Cmp.EQ and isinstance(test.b, int):
        return test.a, ((test.b, test.b),)
    if isinstance(test, Member) and len(test.regs) == 1:
        return test.regs[0], test.members
    return None
