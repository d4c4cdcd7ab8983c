"""Classic BPF as an XDP program, instruction by instruction: what a simple translator makes of it.

Each load checks its own bounds, as the classic machine does. A is r0, X r1; r2 and r3 are the
packet's start and end.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm import cbpf, ebpf
from netbpf.asm.cbpf import Op
from netbpf.asm.ebpf import FRAME_POINTER, INVERSE, Alu, Class, Insn, Jmp, Source
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import ProgType, XdpAction

A, X, DATA, END, AT, TO = range(6)
_NO_MATCH = -1  # a target: the end that drops nothing
_FARTHEST_X = 0x7FFF  # the verifier adds no unbounded number to a packet pointer

_LOADS = {
    Op.LD_W_ABS: 4, Op.LD_H_ABS: 2, Op.LD_B_ABS: 1, Op.LD_W_IND: 4, Op.LD_H_IND: 2, Op.LD_B_IND: 1,
}  # fmt: skip
_INDIRECT = {Op.LD_W_IND, Op.LD_H_IND, Op.LD_B_IND}


def translated(insns: Sequence[cbpf.Insn], text: str = "") -> ProgramSpec:
    """Return a program that drops what the classic one accepts. Raises KeyError for ancillaries."""
    return ProgramSpec(
        "translated",
        ProgType.XDP,
        None,
        _Translation(insns).code(),
        (),
        (),
        text=text,
        target=Target.XDP,
    )


class _Translation:
    def __init__(self, insns: Sequence[cbpf.Insn]) -> None:
        self._insns = insns
        self._code: list[tuple[Insn, int | None]] = []  # with the classic index it jumps to
        self._starts: dict[int, int] = {}
        own = {Op.LDX_MSH, Op.LDX_IMM}
        self._bounded = all(
            insn.code in own for insn in insns if insn.code & 7 == 1 or insn.code == Op.TAX
        )

    def code(self) -> tuple[Insn, ...]:
        self._emit(ebpf.load(4, DATA, 1, 0), ebpf.load(4, END, 1, 4), ebpf.mov(A, 0))
        self._emit(ebpf.mov(X, 0))
        for index, insn in enumerate(self._insns):
            self._starts[index] = len(self._code)
            self._one(index, insn)
        self._starts[_NO_MATCH] = len(self._code)
        self._leave(matches=False)
        return tuple(
            insn if target is None else insn._replace(off=self._starts[target] - at - 1)
            for at, (insn, target) in enumerate(self._code)
        )

    def _one(self, index: int, insn: cbpf.Insn) -> None:
        op, k = Op(insn.code), insn.k
        if op in _LOADS:
            self._load(_LOADS[op], k, indirect=op in _INDIRECT)
        elif op is Op.LDX_MSH:
            self._check(DATA, k + 1)
            self._emit(ebpf.load(1, X, DATA, k), ebpf.alu32(Alu.AND, X, 15))
            self._emit(ebpf.alu32(Alu.LSH, X, 2))
        elif op in (Op.LD_IMM, Op.LDX_IMM):
            self._emit(ebpf.alu32(Alu.MOV, A if op is Op.LD_IMM else X, k))
        elif op in (Op.LD_MEM, Op.LDX_MEM):
            self._emit(ebpf.load(4, A if op is Op.LD_MEM else X, FRAME_POINTER, _slot(k)))
        elif op in (Op.ST, Op.STX):
            self._emit(ebpf.store(4, FRAME_POINTER, _slot(k), A if op is Op.ST else X))
        elif op in (Op.LD_LEN, Op.LDX_LEN):
            dst = A if op is Op.LD_LEN else X
            self._emit(ebpf.mov_reg(dst, END), ebpf.alu64_reg(Alu.SUB, dst, DATA))
        elif op in (Op.TAX, Op.TXA):
            self._emit(ebpf.alu32_reg(Alu.MOV, *((X, A) if op is Op.TAX else (A, X))))
        elif op is Op.RET_K:
            self._leave(matches=bool(k))
        elif insn.code & 7 == Class.JMP:
            self._jump(index, insn)
        else:
            self._arithmetic(insn)

    def _load(self, width: int, k: int, *, indirect: bool) -> None:
        base = DATA
        if indirect:
            base = AT
            if not self._bounded:
                self._emit_jump(ebpf.jump_imm(Jmp.JGT, X, _FARTHEST_X), _NO_MATCH)
            self._emit(ebpf.mov_reg(AT, X), ebpf.alu64_reg(Alu.ADD, AT, DATA))
        self._check(base, k + width)
        self._emit(ebpf.load(width, A, base, k))
        if width > 1:
            self._emit(ebpf.big_endian(A, 8 * width))

    def _check(self, base: int, size: int) -> None:
        self._emit(ebpf.mov_reg(TO, base), ebpf.alu64(Alu.ADD, TO, size))
        self._emit_jump(ebpf.jump_reg(Jmp.JGT, TO, END), _NO_MATCH)

    def _arithmetic(self, insn: cbpf.Insn) -> None:
        op = Alu(insn.code & 0xF0)
        if op is Alu.NEG:
            self._emit(Insn(Class.ALU | Alu.NEG, A, 0, 0, 0))
        elif insn.code & Source.X:
            if op in (Alu.DIV, Alu.MOD):
                self._emit_jump(ebpf.jump_imm(Jmp.JEQ, X, 0), _NO_MATCH)
            self._emit(ebpf.alu32_reg(op, A, X))
        else:
            self._emit(ebpf.alu32(op, A, insn.k))

    def _jump(self, index: int, insn: cbpf.Insn) -> None:
        if insn.code == Op.JA:
            self._emit_jump(ebpf.jump(), index + 1 + insn.k)
            return
        op, source = Jmp(insn.code & 0xF0), insn.code & Source.X
        jt, jf = index + 1 + insn.jt, index + 1 + insn.jf
        if insn.jt == 0 and op in INVERSE:
            op, jt, jf = INVERSE[op], jf, jt
        imm = 0 if source else ebpf.signed(insn.k)
        self._emit_jump(Insn(Class.JMP32 | source | op, A, X if source else 0, 0, imm), jt)
        if jf != index + 1:
            self._emit_jump(ebpf.jump(), jf)

    def _leave(self, *, matches: bool) -> None:
        self._emit(ebpf.mov(0, XdpAction.DROP if matches else XdpAction.PASS), ebpf.leave())

    def _emit(self, *insns: Insn) -> None:
        self._code.extend((insn, None) for insn in insns)

    def _emit_jump(self, insn: Insn, target: int) -> None:
        self._code.append((insn, target))


def _slot(index: int) -> int:
    return -4 * (index + 1)
