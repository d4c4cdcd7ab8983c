"""How large a register's value can be, as far as any verifier can tell.

An offset must be known to be small before it may be added to a packet pointer. The rules here are
those of the kernel's range tracking that hold since 5.10; where it knows nothing (byte swaps,
subtractions, divisions), neither does this.

A *join* is a register that different paths give different values: the network header's offset
behind zero, one or two tags. The verifier follows each value by itself, through everything behind
it, and many joins in a row (a walk over IPv6 extension headers) are more than it has patience for.
There generated code blurs what is assigned to a join (codegen.ebpf.emit): it stays the same number,
but all that the verifier knows of it afterwards is how many bits it has, and its paths meet again.
In the same way a *test* teaches it a value that it then remembers on one of the two paths, up to
the next test of this value. In a long program these paths multiply, and code compares a blurred
copy of what is needed again: both ways are then open to the verifier, always.
Depends on ir.program and codegen.ebpf.liveness.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from netbpf.codegen.ebpf.liveness import live_in
from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Bound,
    Branch,
    Const,
    Copy,
    Insn,
    Load,
    Meta,
    Program,
    Reg,
    reads,
    written,
)

_FEW_JOINS = 8  # what the verifier follows without ado
_LONG = 160  # blocks; an expression with one walk has fewer


def blurred(program: Program) -> frozenset[Reg]:
    """Return the joins, if there are many: registers that are assigned in more than one place."""
    assigned = Counter(
        dst for block in program for insn in block.insns if (dst := written(insn)) is not None
    )
    joins = frozenset(reg for reg, count in assigned.items() if count > 1)
    return joins if len(joins) > _FEW_JOINS else frozenset()


def discreet(program: Program) -> frozenset[Branch]:
    """Return the tests of values that are needed afterwards, if many follow many joins."""
    if len(program.blocks) <= _LONG or not blurred(program):
        return frozenset()
    live = live_in(program)
    return frozenset(
        block.term
        for block in program
        if isinstance(block.term, Branch)
        and any(not live[target].isdisjoint(reads(block.term)) for target in block.targets())
    )


def upper_bounds(program: Program) -> dict[Reg, int]:
    """Return for each register a number that its value never exceeds.

    What reaches a use stands before it, so one pass is enough, but for blurred joins: each of their
    assignments tells the verifier no more than all together, also of one that stands further down.
    """
    vague = blurred(program)
    found = _upper_bounds(program, vague, dict.fromkeys(vague, 0))
    while True:
        joins = {reg: found[reg] for reg in vague}
        again = _upper_bounds(program, vague, joins)
        risen = [reg for reg in vague if again[reg] > found[reg]]
        if not risen:
            return again
        found = again | dict.fromkeys(risen, U32)  # at once, lest they rise step by step


def _upper_bounds(
    program: Program, vague: frozenset[Reg], joins: Mapping[Reg, int]
) -> dict[Reg, int]:
    """Pass over the program once; `joins` is what is known of the vague registers before."""
    bounds = dict(joins)
    for block in program:
        for insn in block.insns:
            if isinstance(insn, Bound):
                continue
            bound = max(bounds.get(insn.dst, 0), _bound(insn, bounds))
            bounds[insn.dst] = (1 << bound.bit_length()) - 1 if insn.dst in vague else bound
    return bounds


def _bound(insn: Insn, bounds: dict[Reg, int]) -> int:
    if isinstance(insn, Const):
        return insn.value
    if isinstance(insn, Copy):
        return bounds[insn.src]
    if isinstance(insn, Load):
        return 0xFF if insn.width == 1 else U32
    if isinstance(insn, (Meta, Bound)):
        return U32
    b = insn.b if isinstance(insn.b, int) else bounds[insn.b]
    return min(_alu_bound(insn, bounds[insn.a], b), U32)


def _alu_bound(insn: Alu, a: int, b: int) -> int:
    constant = isinstance(insn.b, int)
    if insn.op is AluOp.AND:
        return min(a, b)
    if insn.op is AluOp.ADD:
        return a + b
    if insn.op is AluOp.MUL:
        return a * b
    if insn.op is AluOp.OR:
        return (1 << max(a.bit_length(), b.bit_length())) - 1
    if insn.op is AluOp.LSH and constant:
        return a << b if b < 32 else 0
    if insn.op is AluOp.RSH and constant:
        return a >> b if b < 32 else 0
    return U32
