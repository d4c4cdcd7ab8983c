"""The words of M[]: which registers are kept there, and where.

Depends on asm.cbpf, ir and codegen.cbpf.values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from netbpf.asm.cbpf import MEMORY_WORDS
from netbpf.codegen.cbpf.values import Values
from netbpf.ir.program import Block, Label, Reg, Terminator, reads, written
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Slots:
    """The word of each register that is kept, and the words that are free within each block."""

    words: Mapping[Reg, int]
    free: Mapping[Label, tuple[int, ...]]


def must_keep(values: Values, blocks: Sequence[Block], dear: int) -> set[Reg]:
    """Return the joins, and what is used twice and takes more than `dear` instructions."""
    uses = Counter(
        reg for block in blocks for node in (*block.insns, block.term) for reg in reads(node)
    )
    again = {reg for reg, cost in values.costs.items() if cost > dear and uses[reg] > 1}
    return {reg for reg in values.joins if uses[reg]} | again


def worth_keeping(values: Values, computed: Iterable[Reg]) -> set[Reg]:
    """Return registers that were computed so often that keeping them takes less code.

    Computing costs its instructions each time; keeping costs them once, a store, and then a load
    each time. An operand of another such register is left for the next time: with that one kept, it
    may not be computed as often.
    """
    counted = Counter(computed).items()
    often = {reg for reg, times in counted if (times - 1) * (values.costs[reg] - 1) > 1}
    inner = {reg for outer in often for reg in reads(values.single[outer]) if reg in often}
    return often - inner


def allocate(blocks: Sequence[Block], kept: set[Reg]) -> Slots | None:
    """Give every kept register a word that no other needs where this one lives, or None.

    A walk over headers has many joins, of which few live at once: so what counts is where each is
    really needed, block by block, and not its first and last place in the listing.
    """
    living = _living(blocks, kept)
    words: dict[Reg, int] = {}
    beside: dict[Reg, set[Reg]] = {}
    for regs in living.values():
        for reg in regs:
            beside.setdefault(reg, set()).update(regs)
    for reg, others in beside.items():
        taken = {words[other] for other in others if other in words}
        word = next((w for w in range(MEMORY_WORDS) if w not in taken), None)
        if word is None:
            return None
        words[reg] = word
    free = {}
    for label, regs in living.items():
        taken = {words[reg] for reg in regs}
        free[label] = tuple(w for w in range(MEMORY_WORDS) if w not in taken)
    return Slots(words, free)


def _living(blocks: Sequence[Block], kept: set[Reg]) -> dict[Label, dict[Reg, None]]:
    """Return the kept registers that live in each block, in an order that depends on nothing else.

    A register that is not kept is computed where it is used, so its operands are used there; and
    where it is assigned, if it is a load that may end the program.
    """
    through = _Operands(blocks, kept)
    entering: dict[Label, dict[Reg, None]] = {}
    living: dict[Label, dict[Reg, None]] = {}
    for block in reversed(blocks):
        live: dict[Reg, None] = {}
        for target in block.targets():
            live.update(entering[target])
        inside = dict(live)
        for node in (block.term, *reversed(block.insns)):
            dst = written(node) if not isinstance(node, Terminator) else None
            if dst is not None and dst in kept:
                live.pop(dst, None)
                inside[dst] = None
            for reg in reads(node):
                live.update(through.kept(reg))
                inside.update(through.kept(reg))
        entering[block.label], living[block.label] = live, inside
    return {block.label: living[block.label] for block in blocks}


class _Operands:
    """Which kept registers it takes to compute a register."""

    def __init__(self, blocks: Sequence[Block], kept: set[Reg]) -> None:
        self._found: dict[Reg, dict[Reg, None]] = {}
        for block in blocks:
            for insn in block.insns:
                dst = written(insn)
                if dst is None or dst in self._found:
                    continue
                if dst in kept:
                    self._found[dst] = {dst: None}
                else:
                    operands = chain.from_iterable(self._found[reg] for reg in reads(insn))
                    self._found[dst] = dict.fromkeys(operands)

    def kept(self, reg: Reg) -> dict[Reg, None]:
        """Return them, in the order of their use; a kept register is its own."""
        return self._found[reg]
