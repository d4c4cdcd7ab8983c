"""A program as a list of nodes, and what each does to values: the register allocator's view.

Depends on asm, ir.program, codegen.ebpf.access, codegen.ebpf.regalloc, the hook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netbpf.asm import ebpf
from netbpf.codegen.ebpf.access import Access
from netbpf.codegen.ebpf.ranges import blurred
from netbpf.codegen.ebpf.regalloc import Step
from netbpf.codegen.hooks.hook import Hook
from netbpf.errors import Span
from netbpf.ir.program import (
    Alu,
    Bound,
    Const,
    Copy,
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


Node = Const | Copy | Load | Meta | Alu | Bound | Terminator | Address


def pointer(base: Reg) -> Reg:
    """Return the name of the packet pointer at offset `base`."""
    return Reg(f"&{base}")


def flatten(
    program: Program, access: Access, limits: Mapping[Reg, int]
) -> Iterator[tuple[Label, Node]]:
    """Yield everything in order, with an Address behind each assignment to a pointer's base.

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
        for insn in block.insns:
            dst = written(insn)
            alone = isinstance(insn, Const) and dst in bases and dst not in numbers
            if not alone:
                yield block.label, insn
            if dst is not None and dst in bases:
                base = insn.value if isinstance(insn, Const) and alone else dst
                yield block.label, Address(pointer(dst), base, insn.span)
        yield block.label, block.term


def base_of(insn: Load | Bound, access: Access, limits: Mapping[Reg, int]) -> Reg | None:
    """Return the value that an instruction goes by: its base, or the pointer there."""
    if insn.base is not None and access.goes_by_pointer(insn, limits):
        return pointer(insn.base)
    return insn.base


def step(
    node: Node, hook: Hook, access: Access, limits: Mapping[Reg, int], outputs: tuple[Reg, ...]
) -> Step:
    """Return what a node does to values. `outputs` are read where the program matches."""
    if isinstance(node, Address):
        if isinstance(node.base, int):
            return Step((), node.dst)
        return Step((node.base,), node.dst, like=node.base)
    if isinstance(node, (Load, Bound)):
        base = base_of(node, access, limits)
        return Step((base,) if base is not None else (), written(node), access.clobbers)
    if isinstance(node, Meta):
        calls = any(insn.code == ebpf.call(0).code for insn in hook.meta[node.field](0))
        return Step((), node.dst, calls)
    used = reads(node)
    if isinstance(node, (Const, Copy, Alu)):
        return Step(used, node.dst, like=used[0] if used else None)
    if isinstance(node, Return):
        return Step(outputs if node.verdict is Verdict.MATCH else (), None)
    return Step(used, None, isinstance(node, Member))
