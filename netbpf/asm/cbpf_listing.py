"""Classic BPF as tcpdump prints it: -d, -dd and -ddd.

Depends on asm.cbpf.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm.cbpf import ABSOLUTE_LOADS, CONDITIONAL_JUMPS, Ancillary, Insn, Op

_ANCILLARY_WORDS: dict[int, str] = {
    Ancillary.PROTOCOL: "proto",
    Ancillary.PKTTYPE: "type",
    Ancillary.IFINDEX: "ifidx",
    Ancillary.NLATTR: "nla",
    Ancillary.NLATTR_NEST: "nlan",
    Ancillary.MARK: "mark",
    Ancillary.QUEUE: "queue",
    Ancillary.HATYPE: "hatype",
    Ancillary.RXHASH: "rxhash",
    Ancillary.CPU: "cpu",
    Ancillary.ALU_XOR_X: "xor_x",
    Ancillary.VLAN_TAG: "vlan_tci",
    Ancillary.VLAN_TAG_PRESENT: "vlanp",
    Ancillary.PAY_OFFSET: "poff",
    Ancillary.RANDOM: "random",
    Ancillary.VLAN_TPID: "vlan_tpid",
}

_FORMS: dict[int, tuple[str, str]] = {
    # Op: mnemonic, operand; {k} is signed decimal, {h} hexadecimal
    Op.LD_W_ABS: ("ld", "[{k}]"),
    Op.LD_H_ABS: ("ldh", "[{k}]"),
    Op.LD_B_ABS: ("ldb", "[{k}]"),
    Op.LD_W_IND: ("ld", "[x + {k}]"),
    Op.LD_H_IND: ("ldh", "[x + {k}]"),
    Op.LD_B_IND: ("ldb", "[x + {k}]"),
    Op.LD_IMM: ("ld", "#{h}"),
    Op.LD_MEM: ("ld", "M[{k}]"),
    Op.LD_LEN: ("ld", "#pktlen"),
    Op.LDX_IMM: ("ldx", "#{h}"),
    Op.LDX_MEM: ("ldx", "M[{k}]"),
    Op.LDX_LEN: ("ldx", "#pktlen"),
    Op.LDX_MSH: ("ldxb", "4*([{k}]&0xf)"),
    Op.ST: ("st", "M[{k}]"),
    Op.STX: ("stx", "M[{k}]"),
    Op.ADD_K: ("add", "#{k}"),
    Op.ADD_X: ("add", "x"),
    Op.SUB_K: ("sub", "#{k}"),
    Op.SUB_X: ("sub", "x"),
    Op.MUL_K: ("mul", "#{k}"),
    Op.MUL_X: ("mul", "x"),
    Op.DIV_K: ("div", "#{k}"),
    Op.DIV_X: ("div", "x"),
    Op.OR_K: ("or", "#{h}"),
    Op.OR_X: ("or", "x"),
    Op.AND_K: ("and", "#{h}"),
    Op.AND_X: ("and", "x"),
    Op.LSH_K: ("lsh", "#{k}"),
    Op.LSH_X: ("lsh", "x"),
    Op.RSH_K: ("rsh", "#{k}"),
    Op.RSH_X: ("rsh", "x"),
    Op.NEG: ("neg", ""),
    Op.MOD_K: ("mod", "#{k}"),
    Op.MOD_X: ("mod", "x"),
    Op.XOR_K: ("xor", "#{h}"),
    Op.XOR_X: ("xor", "x"),
    Op.JA: ("ja", "{to}"),
    Op.JEQ_K: ("jeq", "#{h}"),
    Op.JEQ_X: ("jeq", "x"),
    Op.JGT_K: ("jgt", "#{h}"),
    Op.JGT_X: ("jgt", "x"),
    Op.JGE_K: ("jge", "#{h}"),
    Op.JGE_X: ("jge", "x"),
    Op.JSET_K: ("jset", "#{h}"),
    Op.JSET_X: ("jset", "x"),
    Op.RET_K: ("ret", "#{k}"),
    Op.RET_A: ("ret", ""),
    Op.TAX: ("tax", ""),
    Op.TXA: ("txa", ""),
}


def listing(insns: Sequence[Insn]) -> list[str]:
    """Return the lines of `tcpdump -d`; jump targets are line numbers."""
    return [line(index, insn) for index, insn in enumerate(insns)]


def c_array(insns: Sequence[Insn]) -> list[str]:
    """Return the lines of `tcpdump -dd`: the initialisers of an array of struct bpf_insn."""
    return [f"{{ {i.code:#x}, {i.jt}, {i.jf}, 0x{i.k:08x} }}," for i in insns]


def decimal(insns: Sequence[Insn]) -> list[str]:
    """Return the lines of `tcpdump -ddd`: the number of instructions, then 'code jt jf k' each."""
    return [str(len(insns)), *(f"{i.code} {i.jt} {i.jf} {i.k}" for i in insns)]


def line(index: int, insn: Insn) -> str:
    """Return one line of a listing."""
    mnemonic, form = _FORMS.get(insn.code, ("unimp", f"0x{insn.code:x}"))
    to = index + 1
    operand = form.format(k=_signed(insn.k), h=f"0x{insn.k:x}", to=to + insn.k)
    if insn.code in ABSOLUTE_LOADS and insn.k in _ANCILLARY_WORDS:
        operand = f"[{_ANCILLARY_WORDS[insn.k]}]"
    if insn.code in CONDITIONAL_JUMPS:
        return f"({index:03}) {mnemonic:8} {operand:16} jt {to + insn.jt}\tjf {to + insn.jf}"
    return f"({index:03}) {mnemonic:8} {operand}".rstrip()


def _signed(k: int) -> int:
    return k - (1 << 32) if k >> 31 else k
