"""The words of M[]: which registers are kept there, and where.

Depends on asm.cbpf, ir and codegen.cbpf.values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from netbpf.asm.cbpf import MEMORY_WORDS
from netbpf.codegen.cbpf.values import Values
from netbpf.ir.program import Block, Label, Reg, reads, written
from netbpf.records import dataclass

_DEAR = 16


@dataclass(frozen=True, slots=True)
class Slots:
    """The word of each register that is kept, and the words that are free within each block.

    `unread` are registers that turned out never to be read from their word, as A or X still held
    them: they need not be stored.
    """

    words: Mapping[Reg, int]
    free: Mapping[Label, tuple[int, ...]]
    unread: frozenset[Reg] = frozenset()


def must_keep(values: Values, blocks: Sequence[Block]) -> set[Reg]:
    """Return the joins, and what is used twice and would be a lot to compute again."""
    uses = Counter(
        reg for block in blocks for node in (*block.insns, block.term) for reg in reads(node)
    )
    dear = {reg for reg, cost in values.costs.items() if cost > _DEAR and uses[reg] > 1}
    return {reg for reg in values.joins if uses[reg]} | dear


def worth_keeping(values: Values, computed: Mapping[Reg, int]) -> set[Reg]:
    """Return registers that were computed so often that keeping them takes less code.

    Computing costs its instructions each time; keeping costs them once, a store, and then a load
    each time. An operand of another such register is left for the next time: with that one kept, it
    may not be computed as often.
    """
    often = {reg for reg, times in computed.items() if (times - 1) * (values.costs[reg] - 1) > 1}
    inner = {reg for outer in often for reg in reads(values.single[outer]) if reg in often}
    return often - inner


def allocate(blocks: Sequence[Block], kept: set[Reg]) -> Slots | None:
    """Give every kept register a word from its first assignment to its last use, or None."""
    first, last = _lifetimes(blocks, kept)
    words: dict[Reg, int] = {}
    ends: list[int] = [-1] * MEMORY_WORDS  # the last block in which each word is in use
    free: dict[Label, tuple[int, ...]] = {}
    starting: dict[int, list[Reg]] = {}
    for reg, at in first.items():
        starting.setdefault(at, []).append(reg)
    for index, block in enumerate(blocks):
        for reg in starting.get(index, ()):
            word = next((w for w, end in enumerate(ends) if end < index), None)
            if word is None:
                return None
            words[reg] = word
            ends[word] = max(last.get(reg, index), index)
        free[block.label] = tuple(w for w, end in enumerate(ends) if end < index)
    return Slots(words, free)


def _lifetimes(blocks: Sequence[Block], kept: set[Reg]) -> tuple[dict[Reg, int], dict[Reg, int]]:
    """Return the block of each kept register's first assignment, and that of its last use.

    A register that is not kept is computed where it is used, so its operands are used there.
    """
    first: dict[Reg, int] = {}
    last: dict[Reg, int] = {}
    for index, block in reversed(list(enumerate(blocks))):
        for reg in reads(block.term):
            last.setdefault(reg, index)
        for insn in reversed(block.insns):
            dst = written(insn)
            until = index
            if dst is not None and dst in kept:
                first[dst] = index
            elif dst is not None:
                until = last.get(dst, index)
            for reg in reads(insn):
                last[reg] = max(last.get(reg, until), until)
    return first, last
