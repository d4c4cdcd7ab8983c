"""Emit one program of the IR, reading bytes in one way.

Values that an `Address` makes are packet pointers; all others are numbers of 32 bits in 64-bit
registers whose upper half is 0. Some stay in network order (codegen.ebpf.byteorder).
Depends on asm, ir, and the rest of codegen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

from netbpf.asm import assembler, ebpf
from netbpf.asm.assembler import Assembler
from netbpf.asm.ebpf import FRAME_POINTER, INVERSE, Jmp
from netbpf.codegen.ebpf import sets
from netbpf.codegen.ebpf.access import DATA, FARTHEST, Access, Base
from netbpf.codegen.ebpf.byteorder import on_wire, swap
from netbpf.codegen.ebpf.operands import Operands
from netbpf.codegen.ebpf.ranges import blurred, discreet, upper_bounds
from netbpf.codegen.ebpf.regalloc import allocate
from netbpf.codegen.ebpf.stack import ZERO, Frame
from netbpf.codegen.ebpf.steps import Address, Node, base_of, flatten, step
from netbpf.codegen.ebpf.zero import Find, Wide, Zeros
from netbpf.codegen.hooks.hook import Hook
from netbpf.errors import CodeSizeError, Span
from netbpf.ir.intervals import intervals
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Decide,
    Jump,
    Label,
    Load,
    Member,
    Meta,
    Program,
    Reg,
    Return,
    Verdict,
)
from netbpf.records import dataclass, field

_ALU = {
    AluOp.ADD: ebpf.Alu.ADD,
    AluOp.SUB: ebpf.Alu.SUB,
    AluOp.MUL: ebpf.Alu.MUL,
    AluOp.DIV: ebpf.Alu.DIV,
    AluOp.MOD: ebpf.Alu.MOD,
    AluOp.AND: ebpf.Alu.AND,
    AluOp.OR: ebpf.Alu.OR,
    AluOp.XOR: ebpf.Alu.XOR,
    AluOp.LSH: ebpf.Alu.LSH,
    AluOp.RSH: ebpf.Alu.RSH,
}
_COMMUTATIVE = (AluOp.ADD, AluOp.MUL, AluOp.AND, AluOp.OR, AluOp.XOR)
_WIDE_COMMUTATIVE = (ebpf.Alu.OR, ebpf.Alu.MUL)
_SHIFTS = (AluOp.LSH, AluOp.RSH)
_JUMP = {Cmp.EQ: Jmp.JEQ, Cmp.GT: Jmp.JGT, Cmp.GE: Jmp.JGE, Cmp.SET: Jmp.JSET}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where code runs and leads: on a match its outputs are on the stack from `outputs_at` on.

    `codes` are what the program returns at once at those of the two labels that do nothing more.
    """

    hook: Hook
    match: assembler.Label
    no_match: assembler.Label
    frame: Frame
    tables: sets.Tables
    outputs_at: int = 0
    codes: Mapping[assembler.Label, int] = field(default_factory=dict)


def emit(asm: Assembler, program: Program, access: Access, setting: Setting) -> None:
    """Append the program's code.

    Raises CodeSizeError where more values are needed at once than the stack has room for.
    """
    program = access.prepare(program)
    limits = upper_bounds(program)
    order = on_wire(program) if access.raw else {}
    nodes = list(flatten(program, access, limits, Zeros(intervals(program), order)))
    allocation = allocate(
        [
            step(node, setting.hook, access, limits, program.outputs, setting.tables)
            for _, node in nodes
        ],
        access.bank,
    )
    if not setting.frame.holds(1 + max(allocation.slots.values(), default=-1)):
        raise CodeSizeError(
            "the expression needs more values at once than an eBPF program has room for",
            text=program.text,
            span=Span(0, len(program.text)),
        )
    operands = Operands(asm, allocation, setting.frame)
    if any(isinstance(node, (Load, Bound)) for _, node in nodes):
        asm.emit(*access.prologue())
    _Emitter(asm, program, access, setting, operands, limits, order).run(nodes)


class _Emitter:
    """Emits nodes one by one."""

    def __init__(
        self,
        asm: Assembler,
        program: Program,
        access: Access,
        setting: Setting,
        operands: Operands,
        limits: Mapping[Reg, int],
        order: Mapping[Reg, int],
    ) -> None:
        self._asm = asm
        self._access = access
        self._setting = setting
        self._operands = operands
        self._limits = limits
        self._blurred = blurred(program)
        self._discreet = discreet(program)
        self._outputs = program.outputs
        self._order = order
        self._entry = program.blocks[0].label
        self._labels = {block.label: self._label(block) for block in program}
        self._next: assembler.Label | None = None  # of the block that will be placed next

    def run(self, nodes: Sequence[tuple[Label, Node]]) -> None:
        """Emit everything; a bare Return is left out, as jumps lead to its exit at once."""
        exits = (self._setting.match, self._setting.no_match)
        own = [label for label, target in self._labels.items() if target not in exits]
        following = dict(pairwise(own))
        present = self._entry
        for label, node in nodes:
            if self._labels[label] in exits:
                continue
            if label != present:
                self._asm.place(self._labels[label])
                present = label
            after = following.get(label)
            self._next = self._labels[after] if after is not None else None
            self._asm.span = node.span
            self._node(node)

    def _label(self, block: Block) -> assembler.Label:
        """Return where jumps to a block lead."""
        if isinstance(block.term, Return) and not block.insns and block.label != self._entry:
            if block.term.verdict is Verdict.NO_MATCH:
                return self._setting.no_match
            if not self._outputs:
                return self._setting.match
        return self._asm.label()

    def _node(self, node: Node) -> None:
        assert not isinstance(node, Decide), "flatten makes a Branch of it"
        if isinstance(node, Load):
            self._load(node)
        elif isinstance(node, Alu):
            self._alu(node)
        elif isinstance(node, Wide):
            self._wide(node)
        elif isinstance(node, Find):
            self._find(node)
        elif isinstance(node, Bound):
            self._access.bound(self._asm, node, self._base(node))
        elif isinstance(node, Address):
            self._address(node)
        elif isinstance(node, Branch):
            self._branch(node)
        elif isinstance(node, Jump):
            self._go_to(self._labels[node.target])
        elif isinstance(node, Return):
            self._return(node)
        elif isinstance(node, Member):
            self._member(node)
        else:
            self._assign(node)

    # -- instructions ----------------------------------------------------------------------------

    def _assign(self, node: Const | Copy | Meta) -> None:
        dst = self._operands.target(node.dst)
        if isinstance(node, Const):
            self._asm.emit(ebpf.mov(dst, self._constant(node.value, node.dst)))
        elif isinstance(node, Meta):
            self._asm.emit(*self._setting.hook.meta[node.field](dst))
        else:
            self._asm.emit(ebpf.mov_reg(dst, self._operands.read(node.src)))
        self._done(node.dst, dst)

    def _load(self, node: Load) -> None:
        dst = self._operands.target(node.dst)
        self._access.load(self._asm, node, dst, self._base(node))
        if self._access.raw and node.width > 1 and node.dst not in self._order:
            self._asm.emit(ebpf.big_endian(dst, 8 * node.width))
        self._done(node.dst, dst)

    def _base(self, node: Load | Bound) -> Base:
        reg = base_of(node, self._access, self._limits)
        if reg is None or node.base is None:
            return Base(None, 0)
        return Base(self._operands.read(reg, scratch=1), self._limits[node.base])

    def _address(self, node: Address) -> None:
        dst = self._operands.target(node.dst)
        if isinstance(node.base, int):
            self._asm.emit(ebpf.mov_reg(dst, DATA), ebpf.alu64(ebpf.Alu.ADD, dst, node.base))
            self._operands.done(node.dst)
            return
        base = self._operands.read(node.base)
        if self._operands.is_spilled(node.base):
            # Before 5.16 the verifier forgets what it knew of a number on the stack.
            limit = ebpf.jump_imm(Jmp.JGT, base, FARTHEST)
            self._asm.jump_if(limit, self._setting.no_match)
        self._asm.emit(*self._access.pointer(dst, base))
        self._operands.done(node.dst)

    def _alu(self, node: Alu) -> None:
        dst = self._operands.target(node.dst)
        a = self._operands.read(node.a)
        if isinstance(node.b, int):
            if node.op in _SHIFTS and node.b > 31:
                self._asm.emit(ebpf.mov(dst, 0))
            else:
                self._asm.emit(ebpf.mov_reg(dst, a))
                value = self._constant(node.b, node.dst)
                self._asm.emit(ebpf.alu32(_ALU[node.op], dst, value))
        else:
            self._alu_registers(node.op, dst, a, self._operands.read(node.b, scratch=1))
        self._done(node.dst, dst)

    def _alu_registers(self, op: AluOp, dst: int, a: int, b: int) -> None:
        """dst = a op b, through r0 where dst is b, or where b decides what happens."""
        if op in _COMMUTATIVE and dst == b:
            a, b = b, a
        work = dst
        if op in _SHIFTS or (dst == b and a != b):
            work = 0
        if op in (AluOp.DIV, AluOp.MOD):
            self._asm.jump_if(ebpf.jump_imm(Jmp.JEQ, b, 0), self._setting.no_match)
        self._asm.emit(ebpf.mov_reg(work, a))
        if op in _SHIFTS:
            small = self._asm.label()
            self._asm.jump_if(ebpf.jump_imm(Jmp.JLT, b, 32), small)
            self._asm.emit(ebpf.mov(work, 0))
            self._asm.place(small)
        self._asm.emit(ebpf.alu32_reg(_ALU[op], work, b), ebpf.mov_reg(dst, work))

    def _wide(self, node: Wide) -> None:
        """dst = a op b, through r0 where dst is b."""
        dst, a, b = self._operands.target(node.dst), node.a, node.b
        second = b if isinstance(b, int) else self._operands.read(b, scratch=1)
        first = a if isinstance(a, int) else self._operands.read(a)
        work = dst
        if isinstance(b, str) and dst == second:
            if node.op in _WIDE_COMMUTATIVE and isinstance(a, str):
                first, second = second, first
            work = dst if dst == first and isinstance(a, str) else 0
        self._asm.emit(ebpf.mov(work, first) if isinstance(a, int) else ebpf.mov_reg(work, first))
        if isinstance(b, int):
            operate = (ebpf.alu32 if node.short else ebpf.alu64)(node.op, work, second)
        else:
            operate = (ebpf.alu32_reg if node.short else ebpf.alu64_reg)(node.op, work, second)
        self._asm.emit(operate, ebpf.mov_reg(dst, work))
        self._operands.done(node.dst)

    def _find(self, node: Find) -> None:
        read = partial(self._operands.read, node.member.regs[0])
        self._setting.tables.differs(self._asm, node.member, read)
        self._asm.emit(ebpf.mov_reg(self._operands.target(node.dst), 0))
        self._operands.done(node.dst)

    # -- ways out of a block ---------------------------------------------------------------------

    def _branch(self, node: Branch) -> None:
        then, orelse = self._labels[node.then], self._labels[node.orelse]
        if then == orelse:
            self._go_to(then)
            return
        a, op = self._tested(node), _JUMP[node.op]
        if then == self._next and op in INVERSE:
            op, then, orelse = INVERSE[op], orelse, then
        if isinstance(node.b, int):
            insn = ebpf.jump_imm(op, a, self._constant(node.b, node.a))
        else:
            insn = ebpf.jump_reg(op, a, self._operands.read(node.b, scratch=1))
        self._asm.jump_if(insn, then)
        self._go_to(orelse)

    def _member(self, node: Member) -> None:
        if len(node.regs) > 1:
            for index, reg in enumerate(node.regs):
                value = self._operands.read(reg)
                self._asm.emit(ebpf.store(4, FRAME_POINTER, sets.word(index), value))
        then, orelse = self._labels[node.then], self._labels[node.orelse]
        read = partial(self._operands.read, node.regs[0])
        self._setting.tables.look_up(self._asm, node, read, orelse)
        self._go_to(then)

    def _return(self, node: Return) -> None:
        if node.verdict is Verdict.NO_MATCH:
            self._go_to(self._setting.no_match)
            return
        for index, reg in enumerate(self._outputs):
            at = self._setting.outputs_at + 4 * index
            self._asm.emit(ebpf.store(4, FRAME_POINTER, at, self._operands.read(reg)))
        self._go_to(self._setting.match)

    def _go_to(self, target: assembler.Label) -> None:
        """Go on elsewhere; where all that is left to do is to return a code, do that here."""
        code = self._setting.codes.get(target)
        if code is None:
            self._asm.jump(target)
        else:
            self._asm.span = None
            self._asm.emit(ebpf.mov(0, code))
            self._asm.leave()

    # -- beneath ---------------------------------------------------------------------------------

    def _tested(self, node: Branch) -> int:
        """Return the register to compare: a blurred copy where the verifier is to learn nothing."""
        register = self._operands.read(node.a)
        if node not in self._discreet:
            return register
        self._asm.emit(ebpf.mov_reg(0, register))
        self._blur(0)
        return 0

    def _blur(self, register: int) -> None:
        """Make the verifier forget a value; see codegen.ebpf.ranges."""
        self._asm.emit(ebpf.load(8, 1, FRAME_POINTER, ZERO))
        self._asm.emit(ebpf.alu32_reg(ebpf.Alu.XOR, register, 1))

    def _done(self, reg: Reg, dst: int) -> None:
        """Settle a value that was computed in `dst`; what is assigned to a join may be blurred."""
        if reg in self._blurred:
            self._blur(dst)
            if self._limits[reg] <= FARTHEST:
                self._asm.emit(ebpf.alu32(ebpf.Alu.AND, dst, self._limits[reg]))
        self._operands.done(reg)

    def _constant(self, value: int, reg: Reg) -> int:
        """Return a constant in the byte order of the register that it meets."""
        return swap(value, self._order[reg]) if reg in self._order else value
