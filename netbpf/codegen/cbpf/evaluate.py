"""Values in A and X: the instructions that bring them there.

A register is taken from where it is (A, X, a word of M[]) or computed again from its expression.
The operand that takes more is computed first, down a chain; only the lesser one recurses. So depth
grows with the logarithm of an expression's size, and as many words of M[] hold intermediate values.
Depends on asm.cbpf, ir and codegen.cbpf.{values, slots}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netbpf.asm.cbpf import Ancillary, Insn, Op
from netbpf.codegen.cbpf.slots import Slots
from netbpf.codegen.cbpf.values import Values
from netbpf.errors import Span
from netbpf.ir.expressions import Assignment
from netbpf.ir.extent import Extents, common, proof, widen
from netbpf.ir.program import Alu, AluOp, Bound, Const, Copy, Load, Meta, MetaField, Reg
from netbpf.records import dataclass, field

_LOADS = {
    # width: at k, at X + k
    1: (Op.LD_B_ABS, Op.LD_B_IND),
    2: (Op.LD_H_ABS, Op.LD_H_IND),
    4: (Op.LD_W_ABS, Op.LD_W_IND),
}
_ALU = {
    # operation: by k, by X
    AluOp.ADD: (Op.ADD_K, Op.ADD_X),
    AluOp.SUB: (Op.SUB_K, Op.SUB_X),
    AluOp.MUL: (Op.MUL_K, Op.MUL_X),
    AluOp.DIV: (Op.DIV_K, Op.DIV_X),
    AluOp.MOD: (Op.MOD_K, Op.MOD_X),
    AluOp.AND: (Op.AND_K, Op.AND_X),
    AluOp.OR: (Op.OR_K, Op.OR_X),
    AluOp.XOR: (Op.XOR_K, Op.XOR_X),
    AluOp.LSH: (Op.LSH_K, Op.LSH_X),
    AluOp.RSH: (Op.RSH_K, Op.RSH_X),
}
_SYMMETRIC = frozenset({AluOp.ADD, AluOp.MUL, AluOp.AND, AluOp.OR, AluOp.XOR})

_ANCILLARY = {
    MetaField.IFINDEX: (Op.LD_W_ABS, Ancillary.IFINDEX),
    MetaField.OUTBOUND: (Op.LD_H_ABS, Ancillary.PKTTYPE),
    MetaField.VLAN_PRESENT: (Op.LD_B_ABS, Ancillary.VLAN_TAG_PRESENT),
    MetaField.VLAN_TPID: (Op.LD_H_ABS, Ancillary.VLAN_TPID),
    MetaField.VLAN_TCI: (Op.LD_B_ABS, Ancillary.VLAN_TAG),  # the width that libpcap knows
}
OUTGOING = 4  # PACKET_OUTGOING, include/uapi/linux/if_packet.h


class NoWordLeftError(Exception):
    """An expression needs more of M[] than there is."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known at a place in the code: the registers that A and X hold, proved extents."""

    a: frozenset[Reg] = frozenset()
    x: frozenset[Reg] = frozenset()
    proved: Extents = field(default_factory=dict)


def meet(ways: Sequence[State]) -> State:
    """Return what is known whichever way was taken."""
    if len(ways) == 1:
        return ways[0]
    return State(
        frozenset.intersection(*(way.a for way in ways)),
        frozenset.intersection(*(way.x for way in ways)),
        common(way.proved for way in ways),
    )


class Uses:
    """The registers that were computed from their expressions, each time; those read from M[]."""

    def __init__(self) -> None:
        self.computed: list[Reg] = []
        self.remembered: set[Reg] = set()

    def add(self, other: Uses) -> None:
        """Take over what another has."""
        self.computed += other.computed
        self.remembered |= other.remembered


class Evaluator:
    """The code of one block so far, and what A and X hold after it.

    `free` are the words of M[] that intermediate values may have.
    """

    def __init__(self, values: Values, slots: Slots, free: Iterable[int], state: State) -> None:
        self.body: list[tuple[Insn, Span | None]] = []
        self.stores: dict[int, Reg] = {}  # where in `body` a register goes to its word
        self.a = state.a
        self.x = state.x
        self.proved = dict(state.proved)
        self.done = set(state.a | state.x)  # whose expressions were executed on the way
        self.uses = Uses()
        self._values = values
        self._slots = slots
        self._words = slots.words
        self._free = list(free)
        self.span: Span | None = None  # of whatever has none of its own

    def clone(self) -> Evaluator:
        """Return a copy to try something with."""
        other = Evaluator(self._values, self._slots, self._free, self.state())
        other.body, other.stores, other.done = [*self.body], {**self.stores}, {*self.done}
        other.uses.add(self.uses)
        return other

    def state(self) -> State:
        """Return what is known now."""
        return State(self.a, self.x, self.proved)

    def into_a(self, reg: Reg) -> None:
        """Bring a register into A."""
        self._follow(reg, [])

    def compute(self, insn: Assignment) -> None:
        """Bring what an instruction assigns into A, from its operands."""
        first = self._first(insn)
        if first is None:
            self._apply(insn, None)
        else:
            self._follow(first, [(insn, first)])

    def keep(self, insn: Assignment) -> None:
        """Compute a register that has a word of M[], and store it there."""
        store = Op.ST
        if isinstance(insn, Copy) and insn.src in self.x and insn.src not in self.a:
            self.x |= {insn.dst}
            store = Op.STX
        else:
            self.compute(insn)
        self.stores[len(self.body)] = insn.dst
        self.emit(store, self._words[insn.dst], insn.span)

    def probe(self, bound: Bound) -> None:
        """Load the last byte of a Bound, and forget it."""
        byte = Load(Reg("last byte"), bound.base, bound.end - 1, 1, bound.span)
        self.span = bound.span
        first = self._first(byte)
        if first is not None:
            self.into_a(first)
        self._load(byte)
        self.a = frozenset()

    def into_both(self, a: Reg, b: Reg) -> bool:
        """Bring two registers into A and X; return whether A holds `b`."""
        first = self._order(a, b, symmetric=True)
        self.into_a(first)
        return self._join(first, a, b, symmetric=True)

    def raw(self, known: MetaField) -> None:
        """Bring metadata into A as the kernel has it: OUTBOUND is the packet's type."""
        op, where = _ANCILLARY[known]
        self.emit(op, where)
        self.a = frozenset()

    def emit(self, op: Op, k: int = 0, span: Span | None = None) -> None:
        """Append an instruction."""
        self.body.append((Insn(op, 0, 0, k), span or self.span))

    # -- A ---------------------------------------------------------------------------------------

    def _follow(self, reg: Reg, chain: list[tuple[Assignment, Reg | None]]) -> None:
        """Go down first operands to one that is at hand; then do what the chain says, upwards."""
        while not self._fetch(reg):
            insn = self._values.single[reg]
            first = self._first(insn)
            chain.append((insn, first))
            if first is None:
                break
            reg = first
        for insn, first in reversed(chain):
            self._apply(insn, first)

    def _fetch(self, reg: Reg) -> bool:
        """Bring a register into A from where it is; return whether it was anywhere."""
        if reg in self.a:
            return True
        if reg in self.x:
            self.emit(Op.TXA)
            self.a = self.x
        elif reg in self._words:
            self.emit(Op.LD_MEM, self._words[reg])
            self.uses.remembered.add(reg)
            self.a = frozenset({reg})
        elif self._values.header_length(reg) is not None:
            self._put_x(reg)
            self.emit(Op.TXA)
            self.a = self.x
        else:
            return False
        return True

    def _first(self, insn: Assignment) -> Reg | None:
        """Return the operand that must be in A before the instruction, None if none must."""
        if isinstance(insn, Load) and insn.base is not None:
            root, _ = self._values.address(insn.base, insn.offset, insn.width)
            return None if root in self.a or self._is_direct(root) or root in self.x else root
        if isinstance(insn, Copy):
            return insn.src
        if not isinstance(insn, Alu) or _is_void(insn):
            return None
        if isinstance(insn.b, int):
            return insn.a
        return self._order(insn.a, insn.b, symmetric=insn.op in _SYMMETRIC)

    def _apply(self, insn: Assignment, first: Reg | None) -> None:
        """Emit one instruction of the IR, whose first operand is in A."""
        outer, self.span = self.span, insn.span or self.span
        if isinstance(insn, Copy):
            self.a |= {insn.dst}
        else:
            if isinstance(insn, Load):
                self._load(insn)
            elif isinstance(insn, Meta):
                self._meta(insn)
            elif isinstance(insn, Const) or _is_void(insn):
                self.emit(Op.LD_IMM, insn.value if isinstance(insn, Const) else 0)
            elif isinstance(insn.b, int):
                self.emit(_ALU[insn.op][0], insn.b)
            else:
                assert first is not None
                self._join(first, insn.a, insn.b, symmetric=insn.op in _SYMMETRIC)
                self.emit(_ALU[insn.op][1])
            self.a = frozenset({insn.dst})
        self.done.add(insn.dst)
        self.uses.computed.append(insn.dst)
        self.span = outer

    def _load(self, insn: Load) -> None:
        absolute, indirect = _LOADS[insn.width]
        if insn.base is None:
            self.emit(absolute, insn.offset)
        else:
            root, k = self._values.address(insn.base, insn.offset, insn.width)
            self._put_x(root)
            self.emit(indirect, k)
        proved = proof(insn, self._values.ranges)
        if proved is not None:
            widen(self.proved, *proved)

    def _meta(self, insn: Meta) -> None:
        if insn.field is not MetaField.LENGTH:
            self.raw(insn.field)
            if insn.field is MetaField.OUTBOUND:  # 1 if the type is OUTGOING, else 0
                self.emit(Op.XOR_K, OUTGOING)
                self.emit(Op.SUB_K, 1)
                self.emit(Op.RSH_K, 31)
        elif self._values.stripped_tags:
            self.raw(MetaField.VLAN_PRESENT)
            self.emit(Op.LSH_K, 2)
            self.emit(Op.TAX)
            self.emit(Op.LD_LEN)
            self.emit(Op.ADD_X)
            self.x = frozenset()
        else:
            self.emit(Op.LD_LEN)

    # -- A and X ---------------------------------------------------------------------------------

    def _order(self, a: Reg, b: Reg, *, symmetric: bool) -> Reg:
        """Return which operand to bring into A first, so that the other is easily joined to it."""
        if a in self.a and (b in self.x or self._is_direct(b) or (symmetric and self._is_plain(b))):
            return a
        if b in self.a and (
            self._is_plain(a) or (symmetric and (a in self.x or self._is_direct(a)))
        ):
            return b
        if self._is_direct(b) or (b in self.x and self._is_plain(a)):
            return a
        if symmetric and (self._is_direct(a) or (a in self.x and self._is_plain(b))):
            return b
        if self._is_plain(a):
            return b
        if symmetric and self._is_plain(b):
            return a
        return a if self._values.costs[a] >= self._values.costs[b] else b

    def _join(self, first: Reg, a: Reg, b: Reg, *, symmetric: bool) -> bool:
        """With the first operand in A, bring the two into A and X; return whether A holds `b`.

        Unless they are symmetric, A gets `a`, and X gets `b`.
        """
        second = b if first == a else a
        if a == b:
            self._tax()
        elif (symmetric or second == b) and (second in self.x or self._is_direct(second)):
            self._put_x(second)
            return first == b
        elif (symmetric or second == a) and self._is_plain(second):
            self._tax()
            self.into_a(second)
            return second == b
        else:
            return self._join_through_memory(second, b, symmetric=symmetric)
        return False

    def _join_through_memory(self, second: Reg, b: Reg, *, symmetric: bool) -> bool:
        """Do what `_join` does, where the second operand needs both A and X."""
        if not self._free:
            raise NoWordLeftError
        word = self._free.pop()
        first = self.a
        self.emit(Op.ST, word)
        self.into_a(second)
        if second == b and not symmetric:
            self._tax()
            self.emit(Op.LD_MEM, word)
            self.a = first
        else:
            self.emit(Op.LDX_MEM, word)
            self.x = first
        self._free.append(word)
        return second == b and symmetric

    def _tax(self) -> None:
        self.emit(Op.TAX)
        self.x = self.a

    # -- X ---------------------------------------------------------------------------------------

    def _put_x(self, reg: Reg) -> None:
        """Bring a register into X that is in A, or can get to X without A."""
        if reg in self.x:
            return
        if reg in self.a:
            self._tax()
            return
        insn = self._values.single.get(reg)
        offset = self._values.header_length(reg)
        if reg in self._words:
            self.emit(Op.LDX_MEM, self._words[reg])
            self.uses.remembered.add(reg)
        elif offset is not None:
            self.emit(Op.LDX_MSH, offset)
            widen(self.proved, None, offset + 1)
        elif isinstance(insn, Const):
            self.emit(Op.LDX_IMM, insn.value)
        else:
            self.emit(Op.LDX_LEN)
        self.x = frozenset({reg})

    def _is_direct(self, reg: Reg) -> bool:
        """Return whether one instruction brings a register into X, and leaves A alone."""
        insn = self._values.single.get(reg)
        return (
            reg in self._words
            or isinstance(insn, Const)
            or (isinstance(insn, Meta) and self._is_wire_length(insn))
            or self._values.header_length(reg) is not None
        )

    def _is_plain(self, reg: Reg) -> bool:
        """Return whether a register gets into A without a use of X."""
        insn = self._values.single.get(reg)
        if reg in self._words or isinstance(insn, Const):
            return True
        if isinstance(insn, Meta):
            return insn.field is not MetaField.LENGTH or self._is_wire_length(insn)
        return isinstance(insn, Load) and insn.base is None

    def _is_wire_length(self, insn: Meta) -> bool:
        return insn.field is MetaField.LENGTH and not self._values.stripped_tags


def _is_void(insn: Assignment) -> bool:
    """Return whether an instruction shifts everything out, which the kernel does not take."""
    return (
        isinstance(insn, Alu)
        and insn.op in (AluOp.LSH, AluOp.RSH)
        and isinstance(insn.b, int)
        and insn.b >= 32
    )
