"""The order of blocks, and their jumps: from labels to 8-bit offsets.

Code is assembled from its end to its start, for then every target's place is known. A conditional
jump that cannot reach its target goes to a `ja` right behind it, which others before it share.
The two returns stand at the very end: the kernel takes what follows a return for reached from it
(asm.cbpf.check), and refuses a word of M[] that is read there.
Depends on asm.cbpf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbpf.asm.cbpf import MAX_JUMP, Insn, Op
from netbpf.errors import Span
from netbpf.ir.program import Block, Label, Program
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Test:
    """A conditional jump."""

    op: Op
    k: int
    then: Label
    orelse: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Goto:
    """An unconditional jump; nothing, if its target follows."""

    target: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """A block's instructions, the way out, and the text that each instruction came from."""

    label: Label
    body: tuple[tuple[Insn, Span | None], ...]
    end: Test | Goto


def order(program: Program) -> tuple[Block, ...]:
    """Return the blocks in a topological order that lets a jump's target follow it, if it can.

    The reverse of the order in which a depth-first walk leaves the blocks. `then` is walked last,
    and so comes first.
    """
    blocks = {block.label: block for block in program}
    left: list[Block] = []
    entered: set[Label] = set()
    todo = [(program.blocks[0].label, False)]
    while todo:
        label, done = todo.pop()
        if done:
            left.append(blocks[label])
        elif label not in entered:
            entered.add(label)
            todo.append((label, True))
            todo.extend((target, False) for target in blocks[label].targets())
    return tuple(reversed(left))


def assemble(
    codes: Sequence[Code], returns: Mapping[Label, int]
) -> tuple[tuple[Insn, ...], tuple[Span | None, ...]]:
    """Return the instructions and their spans. `returns` maps labels to what is returned there.

    Blocks that do nothing but go elsewhere leave no trace, and of those with the same instructions
    one is left, whatever registers these were for. Nothing may go backwards.
    """
    shortcuts = _shortcuts(codes)
    reached = _reached(codes, shortcuts)
    assembler = _Assembler(shortcuts)
    for label, k in reversed([*returns.items()]):
        if label in reached:
            assembler.place(label, (), Insn(Op.RET_K, 0, 0, k), None)
    for code in reversed(codes):
        if code.label in reached:
            assembler.block(code)
    return tuple(reversed(assembler.insns)), tuple(reversed(assembler.spans))


def _shortcuts(codes: Sequence[Code]) -> dict[Label, Label]:
    """Return for each block that only goes elsewhere where it leads in the end."""
    leads: dict[Label, Label] = {}
    for code in reversed(codes):
        if not code.body and isinstance(code.end, Goto):
            leads[code.label] = leads.get(code.end.target, code.end.target)
    return leads


def _reached(codes: Sequence[Code], shortcuts: Mapping[Label, Label]) -> set[Label]:
    """Return the labels that are got to, past those that only lead elsewhere."""
    reached = {shortcuts.get(codes[0].label, codes[0].label)}
    for code in codes:
        if code.label in reached:
            reached.update(shortcuts.get(way, way) for way in _ways(code.end))
    return reached


class _Assembler:
    """Instructions in reverse order; a place is counted from the end of the program."""

    def __init__(self, shortcuts: Mapping[Label, Label]) -> None:
        self.insns: list[Insn] = []
        self.spans: list[Span | None] = []
        self._shortcuts = dict(shortcuts)
        self._known: dict[object, Label] = {}  # blocks by what they do
        self._places: dict[Label, int] = {}  # where each block starts
        self._nearest: dict[Label, int] = {}  # the same, or a `ja` to there

    def block(self, code: Code) -> None:
        end = code.end
        ways = tuple(self._leads_to(way) for way in _ways(end))
        test = (end.op, end.k) if isinstance(end, Test) else None
        content = tuple(insn for insn, _ in code.body), test, ways
        same = self._known.setdefault(content, code.label)
        if same != code.label:
            self._shortcuts[code.label] = same
            return
        last: Insn | None
        if isinstance(end, Test) and ways[0] != ways[1]:
            last = self._test(end, ways[0], ways[1])
        else:
            offset = len(self.insns) - self._places[ways[0]]
            last = Insn(Op.JA, 0, 0, offset) if offset else None
        self.place(code.label, code.body, last, end.span)

    def place(
        self,
        label: Label,
        body: Sequence[tuple[Insn, Span | None]],
        last: Insn | None,
        span: Span | None,
    ) -> None:
        if last is not None:
            self._append(last, span)
        for insn, where in reversed(body):
            self._append(insn, where)
        self._places[label] = self._nearest[label] = len(self.insns)

    def _test(self, test: Test, then: Label, orelse: Label) -> Insn:
        while self._distance(then) > MAX_JUMP or self._distance(orelse) > MAX_JUMP:
            far = max(then, orelse, key=self._distance)
            offset = len(self.insns) - self._places[far]
            self._append(Insn(Op.JA, 0, 0, offset), test.span)
            self._nearest[far] = len(self.insns)
        return Insn(test.op, self._distance(then), self._distance(orelse), test.k)

    def _distance(self, label: Label) -> int:
        return len(self.insns) - self._nearest[label]

    def _leads_to(self, label: Label) -> Label:
        while label in self._shortcuts:
            label = self._shortcuts[label]
        return label

    def _append(self, insn: Insn, span: Span | None) -> None:
        self.insns.append(insn)
        self.spans.append(span)


def _ways(end: Test | Goto) -> tuple[Label, ...]:
    return (end.then, end.orelse) if isinstance(end, Test) else (end.target,)
