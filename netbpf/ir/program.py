"""The intermediate representation of a filter.

A Program is a directed acyclic graph of blocks. Every value is an unsigned 32-bit number.

Theory of operation
- **A register is a name for a pure function of the packet.** Within one program a register has
  either one defining expression, or (a *join*: the network header's offset after zero, one or two
  VLAN tags, say) several, of which each packet takes exactly one. Assigning it again on a path is
  allowed and gives the same value. So "is this value already known here?" is the question "is this
  register assigned on every path to here?", and removing a repeated computation is nothing but
  dropping an assignment to a register that is already assigned.
- **A load past the end of the packet ends the program with "no match"**, as does a division or
  modulo by zero. `Bound` says so for a region ahead of its loads; it may stand only where every
  continuation would load there, or returns "no match" anyway.
- Blocks are listed in topological order: the entry first, every edge forwards.

`ir.interp` executes this definition; `ir.verify` checks it; every backend must agree with it.
Depends on errors only.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, NewType

from netbpf.errors import Span
from netbpf.records import dataclass

if TYPE_CHECKING:
    from netbpf.ir.formula import Formula

Reg = NewType("Reg", str)
"""A virtual register's name, such as 'l3' or 'ip.src'; unsigned 32 bits."""

Label = NewType("Label", str)
"""A block's name; unique in its program."""

U32 = 0xFFFFFFFF


class AluOp(Enum):
    """Unsigned, wrapping 32-bit arithmetic. A shift by 32 or more gives 0, as in libpcap."""

    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"  # by zero: the program ends with "no match"
    MOD = "%"  # by zero: the program ends with "no match"
    AND = "&"
    OR = "|"
    XOR = "^"
    LSH = "<<"
    RSH = ">>"


class Cmp(Enum):
    """Unsigned comparisons; SET asks for a & b != 0. The others come by swapping the targets."""

    EQ = "=="
    GT = ">"
    GE = ">="
    SET = "&"


class MetaField(Enum):
    """What the hook knows of a packet beside its bytes."""

    LENGTH = "len"  # bytes on the wire, a stripped VLAN tag included
    IFINDEX = "ifindex"
    OUTBOUND = "outbound"  # 1 when the host sends the packet, else 0
    VLAN_PRESENT = "vlan.present"  # 1 when the hook holds a stripped tag, else 0
    VLAN_TPID = "vlan.tpid"  # of the stripped tag: 0x8100 or 0x88a8
    VLAN_TCI = "vlan.tci"  # of the stripped tag


class Verdict(Enum):
    """What a program returns."""

    MATCH = "match"
    NO_MATCH = "no match"


@dataclass(frozen=True, slots=True)
class Const:
    """dst = value."""

    dst: Reg
    value: int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """dst = src. Assigns a join from a value that was computed under another name."""

    dst: Reg
    src: Reg
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """dst = `width` (1, 2 or 4) bytes of the packet, big-endian, at base + offset.

    `base` None is the start of the packet. base + offset wraps at 32 bits and is then unsigned:
    whatever does not lie within the captured bytes ends the program with "no match".
    """

    dst: Reg
    base: Reg | None
    offset: int
    width: int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Meta:
    """dst = what the hook knows."""

    dst: Reg
    field: MetaField
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Alu:
    """dst = a op b, where b is a register or a 32-bit constant (never a constant zero divisor)."""

    dst: Reg
    op: AluOp
    a: Reg
    b: Reg | int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """End with "no match" unless base + end (bytes, exclusive) lies within the captured bytes.

    Unlike a Load's, this sum does not wrap: a Bound that holds covers every load below it.
    """

    base: Reg | None
    end: int
    span: Span | None = None


Insn = Const | Copy | Load | Meta | Alu | Bound


@dataclass(frozen=True, slots=True)
class Jump:
    """Go on at `target`."""

    target: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """Go on at `then` if a op b, else at `orelse`."""

    op: Cmp
    a: Reg
    b: Reg | int
    then: Label
    orelse: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Go on at `then` if the registers' values, most significant first, are in a set.

    `regs` holds one register (a port, an IPv4 address) or up to four (an IPv6 address, or its first
    words). `members` are inclusive, disjoint, ascending ranges of the concatenated value.
    """

    regs: tuple[Reg, ...]
    members: tuple[tuple[int, int], ...]
    then: Label
    orelse: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Decide:
    """Go on at `then` if a formula is true of the registers, else at `orelse`.

    Only code generators make these, of several branches (codegen.ebpf.fold).
    """

    formula: Formula
    then: Label
    orelse: Label
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """End the program."""

    verdict: Verdict
    span: Span | None = None


Terminator = Jump | Branch | Member | Decide | Return


@dataclass(frozen=True, slots=True)
class Block:
    """A straight run of instructions and the way out."""

    label: Label
    insns: tuple[Insn, ...]
    term: Terminator

    def targets(self) -> tuple[Label, ...]:
        """Return the labels that this block can go on at."""
        term = self.term
        if isinstance(term, (Branch, Member, Decide)):
            return (term.then, term.orelse)
        return (term.target,) if isinstance(term, Jump) else ()


@dataclass(frozen=True, slots=True)
class Program:
    """Blocks in topological order, the entry first. `text` is what the spans point into.

    `outputs` are registers whose values matter where the program returns MATCH (the key that
    packets are counted by); a filter has none.
    """

    blocks: tuple[Block, ...]
    text: str = ""
    outputs: tuple[Reg, ...] = ()

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)


def reads(node: Insn | Terminator) -> tuple[Reg, ...]:
    """Return the registers that an instruction or terminator reads."""
    if isinstance(node, (Load, Bound)):
        return () if node.base is None else (node.base,)
    if isinstance(node, Copy):
        return (node.src,)
    if isinstance(node, (Alu, Branch)):
        return (node.a,) if isinstance(node.b, int) else (node.a, node.b)
    if isinstance(node, Decide):
        return tuple(node.formula.registers())
    return node.regs if isinstance(node, Member) else ()


def written(insn: Insn) -> Reg | None:
    """Return the register that an instruction assigns, None for a Bound."""
    return None if isinstance(insn, Bound) else insn.dst
