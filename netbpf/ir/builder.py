"""Build a Program front to back, skipping what is already known.

Code is emitted in topological order: a label is placed only when all jumps to it exist, so at
every point the builder knows which registers are assigned on *every* path to it. With `reuse`,
an assignment to such a register is not emitted again (see ir.program: it would give the same
value); without it (-O0) everything is emitted as asked for.
Depends on ir.program and ir.possible.
"""

from __future__ import annotations

from netbpf.errors import CodeSizeError, IrError, Span
from netbpf.ir.possible import NOTHING, Possible, after, decided, either
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Branch,
    Cmp,
    Const,
    Copy,
    Insn,
    Jump,
    Label,
    Load,
    Member,
    Meta,
    MetaField,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
    written,
)

_LONGEST_NAME = 48  # characters; names that spell nested expressions would grow without end


MOST_BLOCKS = 1 << 14
"""What is larger would take many seconds to compile. 64 KiB of lists become far fewer, as sets."""


class Builder:
    """One program under construction. Not reusable after `finish`."""

    def __init__(self, text: str = "", *, reuse: bool = True) -> None:
        self.span: Span | None = None  # given to everything emitted from now on
        self._text = text
        self._reuse = reuse
        self._blocks: list[Block] = []
        self._label: Label | None = Label("entry")  # None: the current point is unreachable
        self._insns: list[Insn] = []
        self._numbers: dict[Reg, int] = {}  # of the registers
        self._known = 0  # the bits of those that are assigned on every path to the current point
        self._possible = NOTHING  # values of registers at the current point
        self._arriving: dict[Label, tuple[int, Possible]] = {}  # both, at labels not placed
        self._count = 0
        self._short: dict[str, Reg] = {}  # for names that would grow with the expression

    def label(self, hint: str = "b") -> Label:
        """Return a fresh label, to be jumped to and then placed."""
        self._count += 1
        return Label(f"{hint}{self._count}")

    @property
    def reachable(self) -> bool:
        """Whether code emitted now can run."""
        return self._label is not None

    def knows(self, reg: Reg) -> bool:
        """Whether `reg` is assigned on every path to here, and may be used as it stands."""
        return self._reuse and self.assigned(reg)

    def assigned(self, reg: Reg) -> bool:
        """Whether `reg` is assigned on every path to here, and not forgotten."""
        number = self._numbers.get(reg)
        return number is not None and bool(self._known >> number & 1)

    def mark(self, name: Reg) -> None:
        """Make `assigned` true of a name that is no register, on the paths through here."""
        self._known |= self._bit(name)

    def unmark(self, name: Reg) -> None:
        """Take a mark back, for what comes next."""
        self._known &= ~self._bit(name)

    def forget(self) -> None:
        """Take nothing as assigned any more: what comes next is emitted by itself (-O0)."""
        self._known, self._possible = 0, NOTHING

    def place(self, label: Label) -> None:
        """Continue at `label`; falls through from the current point if that is open."""
        if self._label is not None:
            self.jump(label)
        arrived = self._arriving.pop(label, None)
        self._label = None if arrived is None else label
        self._known, self._possible = arrived or (0, NOTHING)

    def name(self, text: str) -> Reg:
        """Return the register for an expression; a long one gets a number, always the same."""
        if len(text) <= _LONGEST_NAME:
            return Reg(text)
        return self._short.setdefault(text, Reg(f"t{len(self._short)}"))

    # -- instructions: each returns the register that holds the value --------------------------

    def const(self, value: int, dst: str | None = None) -> Reg:
        """Give a constant a register (rarely needed: operands may be plain integers)."""
        reg = Reg(dst or f"k{value & 0xFFFFFFFF:x}")
        return self._emit(Const(reg, value & 0xFFFFFFFF, self.span))

    def copy(self, dst: str, src: Reg) -> Reg:
        """Assign the join `dst` from `src`."""
        return self._emit(Copy(Reg(dst), src, self.span))

    def load(self, base: Reg | None, offset: int, width: int, dst: str | None = None) -> Reg:
        """Load from the packet; the default name says where from."""
        where = f"{base}+{offset}" if base else str(offset)
        reg = Reg(dst) if dst else self.name(f"[{where}:{width}]")
        return self._emit(Load(reg, base, offset, width, self.span))

    def meta(self, field: MetaField) -> Reg:
        """Read what the hook knows."""
        return self._emit(Meta(Reg(field.value), field, self.span))

    def alu(self, op: AluOp, a: Reg, b: Reg | int, dst: str | None = None) -> Reg:
        """Compute; the default name is the expression."""
        reg = Reg(dst) if dst else self.name(f"({a}{op.value}{b})")
        return self._emit(Alu(reg, op, a, b, self.span))

    # -- ways out of the current block ----------------------------------------------------------

    def jump(self, target: Label) -> None:
        """End the block with a jump."""
        self._close(Jump(target, self.span))

    def branch(self, op: Cmp, a: Reg, b: Reg | int, then: Label, orelse: Label) -> None:
        """End the block with a comparison; with `reuse`, a jump where it must come out so."""
        self._test(Branch(op, a, b, then, orelse, self.span))

    def member(
        self,
        regs: tuple[Reg, ...],
        members: tuple[tuple[int, int], ...],
        then: Label,
        orelse: Label,
    ) -> None:
        """End the block with a set test; with `reuse`, a jump where it must come out so."""
        self._test(Member(regs, members, then, orelse, self.span))

    def ret(self, verdict: Verdict) -> None:
        """End the block with a verdict."""
        self._close(Return(verdict, self.span))

    def finish(self, outputs: tuple[Reg, ...] = ()) -> Program:
        """Return the program; every label must have been placed, every path ended."""
        if self._label is not None or self._arriving:
            raise IrError(
                f"unfinished program: open {self._label}, unplaced {list(self._arriving)}"
            )
        return Program(tuple(self._blocks), self._text, outputs)

    # -- beneath ---------------------------------------------------------------------------------

    def _emit(self, insn: Insn) -> Reg:
        dst = written(insn)
        assert dst is not None
        if self._label is not None and not self.knows(dst):
            self._insns.append(insn)
            self._known |= self._bit(dst)
        return dst

    def _bit(self, reg: Reg) -> int:
        return 1 << self._numbers.setdefault(reg, len(self._numbers))

    def _test(self, test: Branch | Member) -> None:
        holds = decided(test, self._possible) if self._reuse else None
        if holds is None:
            self._close(test)
        else:
            self.jump(test.then if holds else test.orelse)

    def _close(self, term: Terminator) -> None:
        if self._label is None:
            return
        block = Block(self._label, tuple(self._insns), term)
        self._blocks.append(block)
        if len(self._blocks) > MOST_BLOCKS:
            message = "the expression is too large; what it lists may go into a set: in {…}"
            raise CodeSizeError(message, text=self._text, span=self.span or Span(0, 0))
        for target in block.targets():
            known = self._known
            possible = after(term, target, self._possible) if self._reuse else NOTHING
            before = self._arriving.get(target)
            if before is not None:
                known &= before[0]
                possible = either(possible, before[1])
            self._arriving[target] = known, possible
        self._label, self._insns = None, []
