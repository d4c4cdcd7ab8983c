"""Check that a Program keeps the rules of the IR; a broken rule is a defect of netbpf.

Runs after lowering and, in tests, after every pass. Errors name the block and the instruction.
Depends on ir.program and ir.text.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from netbpf.errors import IrError
from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Const,
    Insn,
    Label,
    Load,
    Member,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
    reads,
    written,
)


def verify(program: Program) -> None:
    """Raise IrError unless every rule holds.

    Labels are unique and in topological order, every block can be reached, operands are in range,
    and a register is read only where it is assigned on every path (outputs: at every MATCH).
    """
    _check_labels(program)
    tests = {}  # of each set one: the versions of a program share their sets, which can be long
    for block in program:
        for insn in block.insns:
            _check_insn(block, insn)
        if isinstance(block.term, Branch) and isinstance(block.term.b, int):
            _check_word(block, block.term, block.term.b)
        if isinstance(block.term, Member):
            tests[id(block.term.members), len(block.term.regs)] = block, block.term
    for block, test in tests.values():
        _check_members(block, test)
    _check_assigned(program)


def _check_labels(program: Program) -> None:
    if not program.blocks:
        raise IrError("a program without blocks")
    position: dict[Label, int] = {}
    for index, block in enumerate(program):
        if position.setdefault(block.label, index) != index:
            raise IrError(f"{block.label}: two blocks of this name")
        if not _is_name(block.label):
            raise IrError(f"{block.label!r}: not a name for a block")
    for index, block in enumerate(program):
        for target in block.targets():
            if target not in position:
                raise _error(block, block.term, f"there is no block {target}")
            if position[target] <= index:
                raise _error(block, block.term, f"goes back to {target}")


def _check_insn(block: Block, insn: Insn) -> None:
    name = written(insn)
    if name is not None and not _is_name(name):
        raise _error(block, insn, f"{name!r} is not a name for a register")
    if isinstance(insn, Const):
        _check_word(block, insn, insn.value)
    elif isinstance(insn, Load):
        _check_word(block, insn, insn.offset)
        if insn.width not in (1, 2, 4):
            raise _error(block, insn, f"loads {insn.width} bytes")
    elif isinstance(insn, Bound):
        if not 0 < insn.end <= U32:
            raise _error(block, insn, f"{insn.end} is not a length")
    elif isinstance(insn, Alu) and isinstance(insn.b, int):
        _check_word(block, insn, insn.b)
        if insn.b == 0 and insn.op in (AluOp.DIV, AluOp.MOD):
            raise _error(block, insn, "divides by zero")


def _check_word(block: Block, node: Insn | Terminator, value: int) -> None:
    if not 0 <= value <= U32:
        raise _error(block, node, f"{value} does not fit 32 bits")


def _check_members(block: Block, term: Member) -> None:
    if not 1 <= len(term.regs) <= 4:
        raise _error(block, term, f"{len(term.regs)} registers instead of 1 to 4")
    limit = 1 << 32 * len(term.regs)
    for low, high in term.members:
        if not 0 <= low <= high < limit:
            raise _error(block, term, f"{low:#x}-{high:#x} is not a range of {limit:#x} values")
    for (_, high), (low, _) in pairwise(term.members):
        if low <= high:
            raise _error(block, term, f"{low:#x} does not come after {high:#x}")


def _check_assigned(program: Program) -> None:
    """Check reads against the registers assigned on every path, as bit sets.

    Bit sets keep this near-linear: a program can have as many registers as blocks.
    """
    numbers: dict[Reg, int] = {}
    arriving: dict[Label, int] = {program.blocks[0].label: 0}
    for block in program:
        known = arriving.pop(block.label, None)
        if known is None:
            raise IrError(f"{block.label}: cannot be reached")
        for insn in block.insns:
            _check_reads(block, insn, reads(insn), known, numbers)
            dst = written(insn)
            if dst is not None:
                known |= 1 << numbers.setdefault(dst, len(numbers))
        _check_reads(block, block.term, reads(block.term), known, numbers)
        if isinstance(block.term, Return) and block.term.verdict is Verdict.MATCH:
            _check_reads(block, block.term, program.outputs, known, numbers)
        for target in block.targets():
            arriving[target] = arriving.get(target, known) & known


def _check_reads(
    block: Block, node: Insn | Terminator, regs: Iterable[Reg], known: int, numbers: dict[Reg, int]
) -> None:
    for reg in regs:
        number = numbers.get(reg)
        if number is None or not known >> number & 1:
            raise _error(block, node, f"{reg} is not assigned on every path to here")


def _is_name(name: str) -> bool:
    """Return whether ir.text can write and read the name."""
    return bool(name) and not name[0].isdigit() and len(name.split()) == 1


def _error(block: Block, node: Insn | Terminator, problem: str) -> IrError:
    from netbpf.ir.text import show  # only now: there should be no such error

    return IrError(f"{block.label}: {show(node)}: {problem}")
