"""Give every independent life of a register a name of its own.

The IR names a value by what it is, so a register that is computed at the start of a program and
again at its end has one name, though nothing needs it in between; a linear scan would hold a
place for it all along. Here each *web*, the assignments that can reach a use together, becomes a
register: `l4`, `l4'1`, `l4'2`.
Depends on ir.program and codegen.ebpf.liveness.
"""

from __future__ import annotations

from collections import Counter

from netbpf.codegen.ebpf.liveness import live_in, matches
from netbpf.ir.program import (
    Alu,
    Block,
    Bound,
    Branch,
    Copy,
    Decide,
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

_Names = dict[Reg, int]  # register → number of its web


def split_webs(program: Program) -> Program:
    """Return the program with one register per web; same verdicts, same outputs."""
    live = live_in(program)
    webs = _Webs()
    arriving: dict[Label, _Names] = {}
    found: list[tuple[Block, list[_Names], list[int]]] = []
    outputs: _Names = {}
    for block in program:
        names = arriving.pop(block.label, {})
        before: list[_Names] = []
        made: list[int] = []
        for insn in block.insns:
            before.append({reg: names[reg] for reg in reads(insn)})
            dst = written(insn)
            if dst is not None:
                names[dst] = webs.new(dst)
                made.append(names[dst])
        before.append({reg: names[reg] for reg in reads(block.term)})
        found.append((block, before, made))
        for target in block.targets():
            _arrive(webs, arriving.setdefault(target, {}), names, live[target])
        if matches(block.term):
            _arrive(webs, outputs, names, set(program.outputs))
    return Program(
        tuple(_renamed(webs, *one) for one in found),
        program.text,
        tuple(webs.name(outputs[reg]) if reg in outputs else reg for reg in program.outputs),
    )


class _Webs:
    """Disjoint sets of assignments, by union and find."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._reg: list[Reg] = []
        self._names: dict[int, Reg] = {}
        self._uses: Counter[Reg] = Counter()

    def new(self, reg: Reg) -> int:
        """Return the web of a new assignment."""
        self._parent.append(len(self._parent))
        self._reg.append(reg)
        return self._parent[-1]

    def join(self, one: int, other: int) -> None:
        """Make two webs one."""
        self._parent[self._root(one)] = self._root(other)

    def name(self, web: int) -> Reg:
        """Return the register of a web; only when all webs are joined."""
        root = self._root(web)
        if root not in self._names:
            reg = self._reg[root]
            count = self._uses[reg]
            self._uses[reg] += 1
            self._names[root] = Reg(f"{reg}'{count}") if count else reg
        return self._names[root]

    def _root(self, web: int) -> int:
        while self._parent[web] != web:
            self._parent[web] = self._parent[self._parent[web]]
            web = self._parent[web]
        return web


def _arrive(webs: _Webs, there: _Names, here: _Names, live: set[Reg]) -> None:
    """Carry the webs of what is live over an edge."""
    for reg in live:
        if reg in there:
            webs.join(there[reg], here[reg])
        else:
            there[reg] = here[reg]


def _renamed(webs: _Webs, block: Block, before: list[_Names], made: list[int]) -> Block:
    fresh = iter(made)
    insns: list[Insn] = []
    for insn, names in zip(block.insns, before, strict=False):
        renamed = _reading(insn, {reg: webs.name(web) for reg, web in names.items()})
        insns.append(
            renamed if isinstance(renamed, Bound) else replace(renamed, dst=webs.name(next(fresh)))
        )
    leaving = _leaving(block.term, {reg: webs.name(web) for reg, web in before[-1].items()})
    return Block(block.label, tuple(insns), leaving)


def _reading(insn: Insn, names: dict[Reg, Reg]) -> Insn:
    """Return the instruction with the registers that it reads renamed."""
    if isinstance(insn, (Load, Bound)) and insn.base is not None:
        return replace(insn, base=names[insn.base])
    if isinstance(insn, Copy):
        return replace(insn, src=names[insn.src])
    if isinstance(insn, Alu):
        return replace(insn, a=names[insn.a], b=_operand(insn.b, names))
    return insn


def _leaving(term: Terminator, names: dict[Reg, Reg]) -> Terminator:
    if isinstance(term, Branch):
        return replace(term, a=names[term.a], b=_operand(term.b, names))
    if isinstance(term, Decide):
        return replace(term, formula=term.formula.renamed(names))
    if isinstance(term, Member):
        return replace(term, regs=tuple(names[reg] for reg in term.regs))
    return term


def _operand(operand: Reg | int, names: dict[Reg, Reg]) -> Reg | int:
    return operand if isinstance(operand, int) else names[operand]
