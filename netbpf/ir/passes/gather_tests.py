"""Chains of equality tests as tests of sets: `port 80 or 443 or 8080`.

A chain is a run of blocks that only compare registers with constants: whichever test holds, control
goes to the same place, and else to the next. All registers are assigned at its beginning, so
the tests can be put in any order: those of one register become one. Code for a set costs less, as a
table or a search, and a machine with one accumulator loads each register once.
"""

from __future__ import annotations

from collections import Counter

from netbpf.errors import Span
from netbpf.ir.program import Block, Branch, Cmp, Label, Member, Program, Reg
from netbpf.records import replace

Members = tuple[tuple[int, int], ...]


def gather_tests(program: Program) -> Program:
    """Rewrite every chain of two tests or more."""
    ways = Counter(target for block in program for target in block.targets())
    blocks = {block.label: block for block in program}
    gathered: dict[Label, Block | None] = {}  # None: nothing is left of it
    for block in program:
        if block.label not in gathered and set_of(block) is not None:
            chain = _chain(block, blocks, ways)
            if len(chain) > 1:
                gathered.update(_gather(chain))
    kept = (gathered.get(block.label, block) for block in program)
    return replace(program, blocks=tuple(block for block in kept if block is not None))


def set_of(block: Block) -> tuple[Reg, Members] | None:
    """Return the register and the set that a block tests it for."""
    term = block.term
    if isinstance(term, Branch) and term.op is Cmp.EQ and isinstance(term.b, int):
        return term.a, ((term.b, term.b),)
    if isinstance(term, Member) and len(term.regs) == 1 and term.members:
        return term.regs[0], term.members
    return None


def _chain(
    block: Block, blocks: dict[Label, Block], ways: Counter[Label]
) -> list[tuple[Block, Branch | Member]]:
    """Return a block and those that follow where its test fails, with their tests."""
    chain: list[tuple[Block, Branch | Member]] = []
    while isinstance(block.term, (Branch, Member)) and set_of(block) is not None:
        if chain and (block.insns or ways[block.label] > 1 or block.term.then != chain[0][1].then):
            break
        chain.append((block, block.term))
        block = blocks[block.term.orelse]
    return chain


def _gather(chain: list[tuple[Block, Branch | Member]]) -> dict[Label, Block | None]:
    """Return the chain's blocks with a test per register, and None for the rest of them."""
    sets: dict[Reg, list[tuple[int, int]]] = {}
    spans: dict[Reg, Span | None] = {}
    for block, term in chain:
        found = set_of(block)
        assert found is not None
        reg, members = found
        sets.setdefault(reg, []).extend(members)
        spans[reg] = cover(spans.get(reg), term.span)
    result: dict[Label, Block | None] = {block.label: None for block, _ in chain}
    orelse = chain[-1][1].orelse
    for index, (reg, ranges) in reversed(list(enumerate(sets.items()))):
        block, term = chain[index]
        test = as_test(reg, union(ranges), term.then, orelse, spans[reg])
        result[block.label] = replace(block, term=test)
        orelse = block.label
    return result


def as_test(
    reg: Reg, members: Members, then: Label, orelse: Label, span: Span | None
) -> Branch | Member:
    """Return the test for a set that is not empty."""
    low, high = members[0]
    if len(members) == 1 and low == high:
        return Branch(Cmp.EQ, reg, low, then, orelse, span)
    return Member((reg,), members, then, orelse, span)


def union(ranges: list[tuple[int, int]]) -> Members:
    """Return the ranges in order, those that touch or overlap as one."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return tuple(result)


def cover(one: Span | None, other: Span | None) -> Span | None:
    """Return the text from one to the other, as far as they are known."""
    return one.cover(other) if one and other else one or other
