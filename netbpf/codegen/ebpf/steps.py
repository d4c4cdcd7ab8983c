"""A program as a list of nodes, and what each does to values: the register allocator's view.

Depends on asm, ir.program, codegen.ebpf.access, codegen.ebpf.regalloc, the hook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netbpf.asm import ebpf
from netbpf.codegen.ebpf.access import Access
from netbpf.codegen.ebpf.ranges import blurred
from netbpf.codegen.ebpf.regalloc import Step
from netbpf.codegen.ebpf.sets import Tables
from netbpf.codegen.ebpf.zero import Find, Wide, Zeros
from netbpf.codegen.hooks.hook import Hook
from netbpf.errors import Span
from netbpf.ir.program import (
    Alu,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Decide,
    Insn,
    Label,
    Load,
    Member,
    Meta,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
    reads,
    written,
)
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """dst = the packet pointer at offset `base`, a value or a constant."""

    dst: Reg
    base: Reg | int
    span: Span | None


_Inner = Insn | Address | Wide | Find
Node = _Inner | Terminator


def pointer(base: Reg) -> Reg:
    """Return the name of the packet pointer at offset `base`."""
    return Reg(f"&{base}")


def flatten(
    program: Program, access: Access, limits: Mapping[Reg, int], zeros: Zeros
) -> Iterator[tuple[Label, Node]]:
    """Yield everything in order, with an Address behind each assignment to a pointer's base.

    A Decide becomes the steps that compute its formula, and a Branch.

    A constant that is nothing but such a base goes into the Address, unless it is to be blurred.
    """
    bases: set[Reg | None] = set()
    numbers = {*program.outputs, *blurred(program)}  # values that are not only bases
    for block in program:
        numbers.update(reads(block.term))
        for insn in block.insns:
            if isinstance(insn, (Load, Bound)) and access.goes_by_pointer(insn, limits):
                bases.add(insn.base)
            else:
                numbers.update(reads(insn))
    for block in program:
        nodes: list[_Inner] = []
        for insn in block.insns:
            dst = written(insn)
            alone = isinstance(insn, Const) and dst in bases and dst not in numbers
            if not alone:
                nodes.append(insn)
            if dst is not None and dst in bases:
                base = insn.value if isinstance(insn, Const) and alone else dst
                nodes.append(Address(pointer(dst), base, insn.span))
        term = block.term
        if isinstance(term, Decide):
            wide, zero = zeros.nodes(term.formula, term.span)
            nodes = _as_late_as_possible([*nodes, *wide], access, limits)
            term = Branch(Cmp.EQ, zero, 0, term.then, term.orelse, term.span)
        yield from ((block.label, node) for node in nodes)
        yield block.label, term


def _as_late_as_possible(
    nodes: list[_Inner], access: Access, limits: Mapping[Reg, int]
) -> list[_Inner]:
    """Put each value right before the first node that reads it, to hold a register for less long.

    Bounds stay ahead of what they are for, and what only other blocks read stays ahead of all.
    """
    backwards: list[_Inner] = []
    for node in reversed(nodes):
        dst = _assigned(node)
        users = (
            index
            for index in range(len(backwards) - 1, -1, -1)
            if dst in _read(backwards[index], access, limits)
        )
        first = None if dst is None else next(users, None)
        backwards.insert(len(backwards) if first is None else first + 1, node)
    return backwards[::-1]


def base_of(insn: Load | Bound, access: Access, limits: Mapping[Reg, int]) -> Reg | None:
    """Return the value that an instruction goes by: its base, or the pointer there."""
    if insn.base is not None and access.goes_by_pointer(insn, limits):
        return pointer(insn.base)
    return insn.base


def step(
    node: Node,
    hook: Hook,
    access: Access,
    limits: Mapping[Reg, int],
    outputs: tuple[Reg, ...],
    tables: Tables,
) -> Step:
    """Return what a node does to values. `outputs` are read where the program matches."""
    used = _read(node, access, limits)
    if isinstance(node, (Load, Bound)):
        return Step(used, written(node), access.clobbers)
    if isinstance(node, Meta):
        calls = any(insn.code == ebpf.call(0).code for insn in hook.meta[node.field](0))
        return Step((), node.dst, calls)
    if isinstance(node, Find):
        return Step(used, node.dst, tables.clobbers(node.member))
    if isinstance(node, (Const, Copy, Alu, Address, Wide)):
        return Step(used, node.dst, like=used[0] if used else None)
    if isinstance(node, Return):
        return Step(outputs if node.verdict is Verdict.MATCH else (), None)
    return Step(used, None, isinstance(node, Member) and tables.clobbers(node))


def _read(node: Node, access: Access, limits: Mapping[Reg, int]) -> tuple[Reg, ...]:
    """Return the values that a node reads."""
    if isinstance(node, Wide):
        return tuple(operand for operand in (node.a, node.b) if not isinstance(operand, int))
    if isinstance(node, Find):
        return node.member.regs
    if isinstance(node, Address):
        return () if isinstance(node.base, int) else (node.base,)
    if isinstance(node, (Load, Bound)):
        base = base_of(node, access, limits)
        return () if base is None else (base,)
    return reads(node)


def _assigned(node: _Inner) -> Reg | None:
    """Return the value that a node gives, None for a Bound."""
    return node.dst if isinstance(node, (Address, Wide, Find)) else written(node)
