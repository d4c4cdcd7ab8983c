"""A branch before every load and bound whose address could be 2 GiB or more.

To a classic BPF machine such an address is negative, which the kernel takes for other data than the
packet's and libpcap for an error. Nothing is captured there, so it is "no match". The sum of base
and offset wraps in the IR, and is computed as such before it is asked for its size.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.errors import Span
from netbpf.ir.fresh import Fresh
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Insn,
    Label,
    Load,
    Program,
    Reg,
    Return,
    Verdict,
)
from netbpf.records import replace

LIMIT = 1 << 31
"""The first address that is negative."""


def guard_addresses(program: Program) -> Program:
    """Split blocks at loads and bounds that are not known to stay below the limit."""
    ranges = intervals(program)
    splitter = _Splitter(program)
    for block in program:
        splitter.begin(block.label)
        for insn in block.insns:
            if not isinstance(insn, (Load, Bound)) or is_low(insn, ranges):
                splitter.insns.append(insn)
            elif insn.base is None or (isinstance(insn, Bound) and insn.end > LIMIT):
                splitter.end(Block(splitter.label, tuple(splitter.insns), Return(Verdict.NO_MATCH)))
                break
            elif isinstance(insn, Bound):
                splitter.guard(insn.base, LIMIT - insn.end, insn.span)
                splitter.insns.append(insn)
            else:
                splitter.guard_load(insn, insn.base)
        else:
            splitter.end(Block(splitter.label, tuple(splitter.insns), block.term))
    return drop_unreachable(replace(program, blocks=splitter.finished()))


def is_low(insn: Load | Bound, ranges: Mapping[Reg, Interval]) -> bool:
    """Return whether an instruction's address cannot wrap or reach the limit."""
    highest = 0 if insn.base is None else ranges[insn.base].high
    end = insn.end if isinstance(insn, Bound) else insn.offset + insn.width
    return highest + end <= LIMIT


class _Splitter:
    """The blocks so far; `label` and `insns` are of the one that is being made."""

    def __init__(self, program: Program) -> None:
        self.label = self._whole = Label("")
        self.insns: list[Insn] = []
        self._blocks: list[Block] = []
        self._fresh = Fresh(program)
        self._no_match: Label | None = None
        self._sums: dict[tuple[Reg, int], Reg] = {}

    def begin(self, label: Label) -> None:
        """Go on to the next block of the program."""
        self.label, self.insns = label, []
        self._whole = label

    def end(self, block: Block) -> None:
        self._blocks.append(block)

    def guard(self, reg: Reg, most: int, span: Span | None) -> None:
        """End the block with "no match" for a register above `most`, and go on in another."""
        if self._no_match is None:
            self._no_match = self._fresh.label("beyond")
        rest = self._fresh.label(self._whole)
        test = Branch(Cmp.GT, reg, most, self._no_match, rest, span)
        self.end(Block(self.label, tuple(self.insns), test))
        self.label, self.insns = rest, []

    def guard_load(self, load: Load, base: Reg) -> None:
        """Compute the address, guard it, and load from there."""
        address = base
        if load.offset:
            address = self._address(base, load.offset)
            self.insns.append(Alu(address, AluOp.ADD, base, load.offset, load.span))
        self.guard(address, LIMIT - 1, load.span)
        self.insns.append(Load(load.dst, address, 0, load.width, load.span))

    def _address(self, base: Reg, offset: int) -> Reg:
        """Return the register for base + offset, the same one for the same sum."""
        if (base, offset) not in self._sums:
            self._sums[base, offset] = self._fresh.reg(f"({base}+{offset})")
        return self._sums[base, offset]

    def finished(self) -> tuple[Block, ...]:
        if self._no_match is not None:
            self.end(Block(self._no_match, (), Return(Verdict.NO_MATCH)))
        return tuple(self._blocks)
