"""Execute a Program on one packet: the definition of what the IR means.

Written to be read: no shortcut, nothing clever. Every code generator is tested against it.
`trace` is the same execution with each step written down, which is what `netbpf explain` prints.
Depends on ir.program and ir.arithmetic.
"""

from __future__ import annotations

from netbpf.errors import IrError, Span
from netbpf.ir.arithmetic import compare, compute, contains
from netbpf.ir.program import (
    U32,
    Alu,
    Block,
    Bound,
    Branch,
    Const,
    Copy,
    Decide,
    Insn,
    Jump,
    Label,
    Load,
    Meta,
    MetaField,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
    reads,
)
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as a hook sees it.

    `data` are the captured bytes; `length` is the length on the wire, which counts a stripped VLAN
    tag (None: all was captured). `vlan` is the stripped tag as (TPID, TCI).
    """

    data: bytes
    length: int | None = None
    ifindex: int = 0
    outbound: bool = False
    vlan: tuple[int, int] | None = None

    def meta(self, field: MetaField) -> int:
        """Return what the hook knows; a TPID or TCI that is not there is 0."""
        if field is MetaField.LENGTH:
            whole = len(self.data) + (4 if self.vlan else 0)
            return whole if self.length is None else self.length
        if field is MetaField.IFINDEX:
            return self.ifindex
        if field is MetaField.OUTBOUND:
            return int(self.outbound)
        if field is MetaField.VLAN_PRESENT:
            return int(self.vlan is not None)
        tpid, tci = self.vlan or (0, 0)
        return tpid if field is MetaField.VLAN_TPID else tci


@dataclass(frozen=True, slots=True)
class Step:
    """One executed instruction or terminator.

    `operands` are the values of the registers that it read, in the order of `ir.program.reads`.
    `value` is what it assigned; for a test 1 (then) or 0 (orelse), for a Bound 1.
    None where there is no value: a Jump, a Return, and whatever ended the program with "no match".
    """

    block: Label
    node: Insn | Terminator
    operands: tuple[int, ...]
    value: int | None

    @property
    def span(self) -> Span | None:
        """The text that this step came from."""
        return self.node.span

    @property
    def failed(self) -> bool:
        """Whether the step ended the program: a load past the end, or a division by zero."""
        return self.value is None and not isinstance(self.node, (Jump, Return))


@dataclass(frozen=True, slots=True)
class Trace:
    """An execution: its steps in order, and the verdict."""

    steps: tuple[Step, ...]
    verdict: Verdict
    outputs: tuple[int, ...] | None


def run(program: Program, packet: Packet) -> Verdict:
    """Return the verdict on a packet."""
    return Machine(program).run(packet)


def outputs(program: Program, packet: Packet) -> tuple[int, ...] | None:
    """Return the output registers' values, None where the verdict is "no match"."""
    return Machine(program).outputs(packet)


def trace(program: Program, packet: Packet) -> Trace:
    """Return every step of the execution."""
    return Machine(program).trace(packet)


class Machine:
    """A program made ready to run on many packets.

    `strict` raises IrError where a register is assigned again with another value, which breaks
    the rule that a register names one function of the packet.
    """

    def __init__(self, program: Program, *, strict: bool = False) -> None:
        self._program = program
        self._blocks = {block.label: block for block in program}
        self._strict = strict

    def run(self, packet: Packet) -> Verdict:
        """Return the verdict."""
        return self._execute(packet, {}, None)

    def outputs(self, packet: Packet) -> tuple[int, ...] | None:
        """Return the output registers' values, None where the verdict is "no match"."""
        registers: dict[Reg, int] = {}
        if self._execute(packet, registers, None) is Verdict.NO_MATCH:
            return None
        return tuple(registers[reg] for reg in self._program.outputs)

    def trace(self, packet: Packet) -> Trace:
        """Return every step."""
        registers: dict[Reg, int] = {}
        steps: list[Step] = []
        verdict = self._execute(packet, registers, steps)
        values = None
        if verdict is Verdict.MATCH:
            values = tuple(registers[reg] for reg in self._program.outputs)
        return Trace(tuple(steps), verdict, values)

    def _execute(
        self, packet: Packet, registers: dict[Reg, int], steps: list[Step] | None
    ) -> Verdict:
        block = self._program.blocks[0]
        while True:
            for insn in block.insns:
                value = _evaluate(insn, registers, packet)
                if steps is not None:
                    steps.append(_step(block, insn, registers, value))
                if value is None:
                    return Verdict.NO_MATCH
                if not isinstance(insn, Bound):
                    if self._strict:
                        _check_same(block, insn.dst, registers, value)
                    registers[insn.dst] = value
            term = block.term
            target, chosen = _choose(term, registers)
            if steps is not None:
                steps.append(_step(block, term, registers, chosen))
            if isinstance(target, Verdict):
                return target
            block = self._blocks[target]


def _evaluate(insn: Insn, registers: dict[Reg, int], packet: Packet) -> int | None:
    """Return an instruction's value (1 for a Bound that holds); None ends with "no match"."""
    if isinstance(insn, Load):
        base = 0 if insn.base is None else registers[insn.base]
        start = (base + insn.offset) & U32
        end = start + insn.width
        return int.from_bytes(packet.data[start:end], "big") if end <= len(packet.data) else None
    if isinstance(insn, Alu):
        b = insn.b if isinstance(insn.b, int) else registers[insn.b]
        return compute(insn.op, registers[insn.a], b)
    if isinstance(insn, Const):
        return insn.value
    if isinstance(insn, Copy):
        return registers[insn.src]
    if isinstance(insn, Meta):
        return packet.meta(insn.field)
    base = 0 if insn.base is None else registers[insn.base]
    return 1 if base + insn.end <= len(packet.data) else None


def _choose(term: Terminator, registers: dict[Reg, int]) -> tuple[Label | Verdict, int | None]:
    """Return where a terminator leads, and 1 or 0 for `then` or `orelse`."""
    if isinstance(term, Return):
        return term.verdict, None
    if isinstance(term, Jump):
        return term.target, None
    if isinstance(term, Branch):
        b = term.b if isinstance(term.b, int) else registers[term.b]
        holds = compare(term.op, registers[term.a], b)
    elif isinstance(term, Decide):
        holds = term.formula.is_true(registers)
    else:
        value = 0
        for reg in term.regs:
            value = value << 32 | registers[reg]
        holds = contains(term.members, value)
    return (term.then, 1) if holds else (term.orelse, 0)


def _step(
    block: Block, node: Insn | Terminator, registers: dict[Reg, int], value: int | None
) -> Step:
    return Step(block.label, node, tuple(registers[reg] for reg in reads(node)), value)


def _check_same(block: Block, reg: Reg, registers: dict[Reg, int], value: int) -> None:
    before = registers.get(reg, value)
    if before != value:
        raise IrError(f"{block.label}: {reg} was {before:#x} and becomes {value:#x}")
