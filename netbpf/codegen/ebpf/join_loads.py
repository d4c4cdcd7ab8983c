"""Load neighbouring fields at once, and test them by one mask: fragment offset and protocol, say.

Where a formula wants several fields of a header to have certain bits, and nothing else reads these
fields, those within four bytes become one load and one comparison.
Depends on ir.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from netbpf.ir.formula import Bits, Every, Formula, Some, every, some
from netbpf.ir.fresh import Fresh
from netbpf.ir.program import Block, Decide, Insn, Load, Program, Reg, reads
from netbpf.records import replace

_WIDEST = 4


def join_loads(program: Program) -> Program:
    """Return the program with fewer loads; none reaches farther than those that it stands for."""
    uses = Counter(
        reg for block in program for node in (*block.insns, block.term) for reg in reads(node)
    )
    joiner = _Joiner(uses, Fresh(program))
    return replace(program, blocks=tuple(map(joiner.block, program.blocks)))


class _Joiner:
    def __init__(self, uses: Counter[Reg], fresh: Fresh) -> None:
        self._uses = uses
        self._fresh = fresh
        self._loads: dict[Reg, Load] = {}  # of the block: what only its formula reads
        self._gone: dict[Reg, Load | None] = {}  # loads to be left out, the first for a wider one

    def block(self, block: Block) -> Block:
        """Return a block with the loads for its formula joined."""
        term = block.term
        if not isinstance(term, Decide):
            return block
        self._loads = {
            insn.dst: insn
            for insn in block.insns
            if isinstance(insn, Load) and self._uses[insn.dst] == 1
        }
        self._gone = {}
        formula = self._formula(term.formula)
        insns = [made for insn in block.insns if (made := self._insn(insn)) is not None]
        return Block(block.label, tuple(insns), replace(term, formula=formula))

    def _insn(self, insn: Insn) -> Insn | None:
        return self._gone.get(insn.dst, insn) if isinstance(insn, Load) else insn

    def _formula(self, formula: Formula) -> Formula:
        if not isinstance(formula, (Every, Some)):
            return formula
        parts = [self._formula(part) for part in formula.parts]
        return every(*self._joined(parts)) if isinstance(formula, Every) else some(*parts)

    def _joined(self, parts: Sequence[Formula]) -> Iterator[Formula]:
        """Yield the parts of a conjunction, neighbouring ones as one."""
        fields: dict[Reg | None, list[tuple[Load, Bits]]] = {}
        for part in parts:
            if isinstance(part, Bits) and part.holds and part.reg in self._loads:
                load = self._loads[part.reg]
                fields.setdefault(load.base, []).append((load, part))
            else:
                yield part
        for found in fields.values():
            found.sort(key=lambda one: one[0].offset)
            while found:
                start = found[0][0].offset
                near = [one for one in found if _end(one[0]) <= start + _WIDEST]
                del found[: len(near)]
                yield near[0][1] if len(near) == 1 else self._wide(near)

    def _wide(self, fields: Sequence[tuple[Load, Bits]]) -> Bits:
        """Return one test of all, and note the load that it is of."""
        end = max(_end(load) for load, _ in fields)
        first = fields[0][0]
        width = 2 if end - first.offset == 2 else _WIDEST
        offset = max(0, end - width)  # no farther than before
        wide = Load(self._fresh.reg("wide"), first.base, offset, width, first.span)
        mask = value = 0
        for load, bits in fields:
            shift = 8 * (offset + width - _end(load))
            mask |= bits.mask << shift
            value |= bits.value << shift
            self._gone[load.dst] = None
        self._gone[min(fields, key=self._place)[0].dst] = wide
        return Bits(wide.dst, mask=mask, value=value)

    def _place(self, field: tuple[Load, Bits]) -> int:
        """Return where a load stands in its block."""
        return list(self._loads).index(field[0].dst)


def _end(load: Load) -> int:
    return load.offset + load.width
