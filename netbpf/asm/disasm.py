"""Print extended BPF in the notation of the kernel's verifier log and of bpftool.

    0: (bf) r6 = r1
    1: (61) r7 = *(u32 *)(r6 +0)

The notation is that of kernel/bpf/disasm.c; a map is named, where bpftool shows its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbpf.asm.ebpf import Alu, Class, Insn, Jmp, Mode, Size, Source, encode, is_wide
from netbpf.asm.helpers import Helper
from netbpf.uapi.bpf import PseudoSrc

_TYPE = {Size.B: "8", Size.H: "16", Size.W: "32", Size.DW: "64"}

_ALU = {
    Alu.ADD: "+=", Alu.SUB: "-=", Alu.MUL: "*=", Alu.DIV: "/=", Alu.OR: "|=", Alu.AND: "&=",
    Alu.LSH: "<<=", Alu.RSH: ">>=", Alu.MOD: "%=", Alu.XOR: "^=", Alu.MOV: "=", Alu.ARSH: "s>>=",
}  # fmt: skip

_JMP = {
    Jmp.JEQ: "==", Jmp.JGT: ">", Jmp.JGE: ">=", Jmp.JSET: "&", Jmp.JNE: "!=", Jmp.JSGT: "s>",
    Jmp.JSGE: "s>=", Jmp.JLT: "<", Jmp.JLE: "<=", Jmp.JSLT: "s<", Jmp.JSLE: "s<=",
}  # fmt: skip

_ATOMIC = {Alu.ADD: "add", Alu.OR: "or", Alu.AND: "and", Alu.XOR: "xor"}
_FETCH, _XCHG, _CMPXCHG = 0x01, 0xE1, 0xF1  # imm of an atomic operation


def listing(insns: Sequence[Insn], maps: Mapping[int, str] | None = None) -> list[str]:
    """Return a line per instruction, numbered by slot; a wide one takes two numbers, one line.

    `maps` names the map that an instruction refers to, by the instruction's index.
    """
    lines = []
    index = 0
    while index < len(insns):
        insn = insns[index]
        following = insns[index + 1] if is_wide(insn) and index + 1 < len(insns) else None
        shown = text(insn, following, (maps or {}).get(index))
        lines.append(f"{index:4}: ({insn.code:02x}) {shown}")
        index += 2 if following else 1
    return lines


def c_array(insns: Sequence[Insn]) -> list[str]:
    """Return the initialisers of an array of struct bpf_insn (uapi bpf.h), a line each."""
    return [
        f"{{ .code = {i.code:#04x}, .dst_reg = {i.dst}, .src_reg = {i.src}, "
        f".off = {i.off}, .imm = {i.imm} }},"
        for i in insns
    ]


def words(insns: Sequence[Insn]) -> list[str]:
    """Return the number of instructions, then each as a 64-bit number in hexadecimal.

    The number is what a little-endian machine reads: the code is in its lowest byte.
    """
    encoded = encode(insns, byteorder="little")
    numbers = (int.from_bytes(encoded[at : at + 8], "little") for at in range(0, len(encoded), 8))
    return [str(len(insns)), *(f"0x{number:016x}" for number in numbers)]


def text(insn: Insn, following: Insn | None = None, map_name: str | None = None) -> str:
    """Return one instruction; `following` is the second slot of a wide one."""
    kind = Class(insn.code & 7)
    if kind in (Class.ALU, Class.ALU64):
        shown = _arithmetic(insn, "r" if kind is Class.ALU64 else "w")
    elif kind in (Class.JMP, Class.JMP32):
        shown = _jump(insn, "r" if kind is Class.JMP else "w")
    elif kind is Class.LD:
        shown = _packet_load(insn) or _wide_load(insn, following, map_name)
    else:
        shown = _memory(insn, kind)
    return shown or f"BUG_{insn.code:02x}"


def _arithmetic(insn: Insn, r: str) -> str | None:
    op = insn.code & 0xF0
    dst, from_register = f"{r}{insn.dst}", insn.code & Source.X
    if op == Alu.NEG:
        return f"{dst} = -{dst}"
    if op == Alu.END:
        swap = "bswap" if r == "r" else "be" if from_register else "le"
        return f"r{insn.dst} = {swap}{insn.imm} r{insn.dst}"
    if op not in _ALU:
        return None
    if not from_register:
        return f"{dst} {_signed_op(insn)} {insn.imm}"
    extend = f"(s{insn.off})" if op == Alu.MOV and insn.off else ""
    return f"{dst} {_signed_op(insn)} {extend}{r}{insn.src}"


def _signed_op(insn: Insn) -> str:
    op = Alu(insn.code & 0xF0)
    return f"s{_ALU[op]}" if op in (Alu.DIV, Alu.MOD) and insn.off == 1 else _ALU[op]


def _jump(insn: Insn, r: str) -> str | None:
    op = insn.code & 0xF0
    if op == Jmp.CALL:
        return _call(insn)
    if op == Jmp.EXIT:
        return "exit"
    if op == Jmp.JA:
        return f"goto pc{insn.off:+}" if r == "r" else f"gotol pc{insn.imm:+}"
    if op not in _JMP:
        return None
    operand = f"{r}{insn.src}" if insn.code & Source.X else f"{insn.imm & 0xFFFFFFFF:#x}"
    return f"if {r}{insn.dst} {_JMP[Jmp(op)]} {operand} goto pc{insn.off:+}"


def _call(insn: Insn) -> str:
    if insn.src == 1:
        return f"call pc{insn.imm:+}"
    if insn.src == 2:
        return f"call kernel-function#{insn.imm}"
    known = insn.imm in Helper._value2member_map_
    return f"call bpf_{Helper(insn.imm).name.lower()}#{insn.imm}" if known else f"call #{insn.imm}"


def _packet_load(insn: Insn) -> str | None:
    mode, size = insn.code & 0xE0, _TYPE[Size(insn.code & 0x18)]
    if mode == Mode.ABS:
        return f"r0 = *(u{size} *)skb[{insn.imm}]"
    if mode == Mode.IND:
        return f"r0 = *(u{size} *)skb[r{insn.src} + {insn.imm}]"
    return None


def _wide_load(insn: Insn, following: Insn | None, map_name: str | None) -> str | None:
    if not is_wide(insn) or following is None:
        return None
    high, low = following.imm & 0xFFFFFFFF, insn.imm & 0xFFFFFFFF
    name = map_name or f"fd:{insn.imm}"
    if insn.src == PseudoSrc.MAP_FD:
        return f"r{insn.dst} = map[{name}]"
    if insn.src == PseudoSrc.MAP_VALUE:
        return f"r{insn.dst} = map[{name}][0]+{high}"
    return f"r{insn.dst} = {high << 32 | low:#x}"


def _memory(insn: Insn, kind: Class) -> str | None:
    mode, size = insn.code & 0xE0, _TYPE[Size(insn.code & 0x18)]
    if kind is Class.LDX and mode in (Mode.MEM, Mode.MEMSX):
        sign = "u" if mode == Mode.MEM else "s"
        return f"r{insn.dst} = *({sign}{size} *)(r{insn.src} {insn.off:+})"
    place = f"(u{size} *)(r{insn.dst} {insn.off:+})"
    if kind is Class.STX and mode == Mode.ATOMIC:
        return _atomic(insn, place)
    if mode != Mode.MEM:
        return None
    return f"*{place} = r{insn.src}" if kind is Class.STX else f"*{place} = {insn.imm}"


def _atomic(insn: Insn, place: str) -> str | None:
    prefix = "atomic64" if insn.code & 0x18 == Size.DW else "atomic"
    if insn.imm == _XCHG:
        return f"r{insn.src} = {prefix}_xchg({place}, r{insn.src})"
    if insn.imm == _CMPXCHG:
        return f"r0 = {prefix}_cmpxchg({place}, r0, r{insn.src})"
    op = insn.imm & ~_FETCH
    if op not in _ATOMIC:
        return None
    if insn.imm & _FETCH:
        return f"r{insn.src} = {prefix}_fetch_{_ATOMIC[Alu(op)]}({place}, r{insn.src})"
    return f"lock *{place} {_ALU[Alu(op)]} r{insn.src}"
