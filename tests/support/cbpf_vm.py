"""Run classic BPF in Python, and refuse whatever the kernel and libpcap do differently.

A generated program must give the same verdict everywhere, so it must not get near: shifts by X of
32 or more, loads whose address has its top bit set (in the kernel an alias of other data) or wraps,
words of M[] that were not written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbpf.asm.cbpf import Ancillary, Insn, Op
from netbpf.ir.interp import Packet
from netbpf.ir.program import U32, MetaField

_WIDTHS = {
    Op.LD_W_ABS: 4,
    Op.LD_H_ABS: 2,
    Op.LD_B_ABS: 1,
    Op.LD_W_IND: 4,
    Op.LD_H_IND: 2,
    Op.LD_B_IND: 1,
}
_INDIRECT = (Op.LD_W_IND, Op.LD_H_IND, Op.LD_B_IND)
_ALU = 0x04
_JMP = 0x05
_FROM_X = 0x08


class UndefinedBehaviourError(Exception):
    """The program did what not every implementation does alike."""


def skb_view(packet: Packet) -> dict[Ancillary, int]:
    """Return the ancillary data of a packet on a live Linux interface."""
    return {
        Ancillary.PKTTYPE: 4 if packet.outbound else 0,
        Ancillary.IFINDEX: packet.ifindex,
        Ancillary.VLAN_TAG_PRESENT: packet.meta(MetaField.VLAN_PRESENT),
        Ancillary.VLAN_TAG: packet.meta(MetaField.VLAN_TCI),
        Ancillary.VLAN_TPID: packet.meta(MetaField.VLAN_TPID),
    }


def run(
    insns: Sequence[Insn],
    data: bytes,
    length: int | None = None,
    ancillary: Mapping[Ancillary, int] | None = None,
) -> int:
    """Return what the program returns for captured bytes, `length` of them on the wire."""
    machine = _Machine(data, len(data) if length is None else length, ancillary or {})
    index = 0
    while True:
        insn = insns[index]
        if insn.code == Op.RET_K:
            return insn.k
        if insn.code == Op.RET_A:
            return machine.a
        offset = machine.step(insn)
        if offset is None:
            return 0
        index += 1 + offset


class _Machine:
    def __init__(self, data: bytes, length: int, ancillary: Mapping[Ancillary, int]) -> None:
        self.data = data
        self.length = length
        self.ancillary = ancillary
        self.a = 0
        self.x = 0
        self.memory: dict[int, int] = {}

    def step(self, insn: Insn) -> int | None:
        """Execute an instruction; return the offset of the next, None to return 0."""
        kind = insn.code & 0x07
        if kind == _JMP:
            return self._jump(insn)
        if kind == _ALU:
            b = self.x if insn.code & _FROM_X else insn.k
            result = _alu(insn.code & 0xF0, self.a, b)
            if result is None:
                return None
            self.a = result
            return 0
        return self._move(insn)

    def _jump(self, insn: Insn) -> int:
        if insn.code == Op.JA:
            return insn.k
        b = self.x if insn.code & _FROM_X else insn.k
        holds = {
            Op.JEQ_K: self.a == b,
            Op.JGT_K: self.a > b,
            Op.JGE_K: self.a >= b,
            Op.JSET_K: self.a & b != 0,
        }
        return insn.jt if holds[Op(insn.code & ~_FROM_X)] else insn.jf

    def _move(self, insn: Insn) -> int | None:
        code, k = insn.code, insn.k
        if code in _WIDTHS:
            value = self._load(Op(code), k)
            if value is None:
                return None
            self.a = value
        elif code == Op.LDX_MSH:
            if k >= len(self.data):
                return None
            self.x = 4 * (self.data[k] & 0xF)
        elif code in (Op.LD_MEM, Op.LDX_MEM):
            if k not in self.memory:
                raise UndefinedBehaviourError(f"reads M[{k}] before it is written")
            self._set(code == Op.LD_MEM, self.memory[k])
        elif code in (Op.LD_IMM, Op.LDX_IMM):
            self._set(code == Op.LD_IMM, k)
        elif code in (Op.LD_LEN, Op.LDX_LEN):
            self._set(code == Op.LD_LEN, self.length)
        elif code in (Op.ST, Op.STX):
            self.memory[k] = self.a if code == Op.ST else self.x
        elif code in (Op.TAX, Op.TXA):
            self._set(code == Op.TXA, self.x if code == Op.TXA else self.a)
        else:
            raise UndefinedBehaviourError(f"code {code:#x}")
        return 0

    def _set(self, accumulator: bool, value: int) -> None:
        if accumulator:
            self.a = value
        else:
            self.x = value

    def _load(self, op: Op, k: int) -> int | None:
        if op in _INDIRECT:
            k += self.x
        elif k >= Ancillary.PROTOCOL:
            return self.ancillary[Ancillary(k)]
        if k >> 31:
            raise UndefinedBehaviourError(f"loads at {k:#x}")
        end = k + _WIDTHS[op]
        return int.from_bytes(self.data[k:end], "big") if end <= len(self.data) else None


def _alu(op: int, a: int, b: int) -> int | None:
    if op in (Op.LSH_K & 0xF0, Op.RSH_K & 0xF0) and b >= 32:
        raise UndefinedBehaviourError(f"shifts by {b}")
    if op in (Op.DIV_K & 0xF0, Op.MOD_K & 0xF0) and b == 0:
        return None
    result = {
        Op.ADD_K & 0xF0: lambda: a + b,
        Op.SUB_K & 0xF0: lambda: a - b,
        Op.MUL_K & 0xF0: lambda: a * b,
        Op.DIV_K & 0xF0: lambda: a // b,
        Op.MOD_K & 0xF0: lambda: a % b,
        Op.AND_K & 0xF0: lambda: a & b,
        Op.OR_K & 0xF0: lambda: a | b,
        Op.XOR_K & 0xF0: lambda: a ^ b,
        Op.LSH_K & 0xF0: lambda: a << b,
        Op.RSH_K & 0xF0: lambda: a >> b,
        Op.NEG & 0xF0: lambda: -a,
    }[op]()
    return result & U32
