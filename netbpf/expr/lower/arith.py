"""Relations and arithmetic, for both dialects.

A relation is lowered in two steps: first the tests that its `proto[…]` imply, which jump away where
the packet has no such header, then the loads and the computation. Constants are folded; a packet
that cannot be computed on (a load out of bounds, a division by zero) ends the program with "no
match", also where only constants say so. Nothing recurses over nesting.
Depends on ir.builder and expr.nodes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

from netbpf.errors import ExpressionError
from netbpf.expr.nodes import (
    Arith,
    Binary,
    HeaderField,
    Length,
    Negate,
    Num,
    PacketBytes,
    Relation,
    RelOp,
)
from netbpf.ir.builder import Builder
from netbpf.ir.program import U32, AluOp, Cmp, Label, MetaField, Reg, Verdict
from netbpf.records import dataclass

Value = int | Reg
"""A constant, or where the program holds the value."""

FARTHEST = 0x3FFFFFFF
"""No packet is this long. Whoever looks beyond it gets "no match", so that an address never wraps
around, nor falls among the offsets at which kernels keep ancillary data."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where byte 0 of a header is: base + offset, with `most` the largest value of base.

    Nothing before `floor` can be reached by an index that wraps; None: whatever it wraps to.
    """

    base: Reg | None
    offset: int
    most: int = 0
    floor: Reg | int | None = None


class Headers:
    """What a dialect knows of `proto[…]`: which packets have it, and where it begins.

    `libpcap_faults` keeps two of libpcap's: only the leftmost operand of an operator implies its
    protocol; and a divisor or a shift is judged by the first number in it, so that `1 / ip[0]` is
    a division by zero.
    """

    builder: Builder
    text: str
    libpcap_faults = False

    def check(self, node: PacketBytes | HeaderField) -> None:
        """Refuse an operand that makes no sense here. Raises ExpressionError."""

    def foresee(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Test what comes before anything that the operand's index requires; mostly nothing."""

    def require(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Go on where the packet has the header, with its position known; else jump to `no`."""
        raise NotImplementedError

    def origin(self, node: PacketBytes) -> Origin:
        """Return where the header begins. May emit loads; comes after `require`."""
        raise NotImplementedError

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load from the packet; base and offset are at most FARTHEST each."""
        raise NotImplementedError

    def field(self, node: HeaderField) -> Reg:
        """Return a header field's value; comes after `require`."""
        raise NotImplementedError


def lower_relation(node: Relation, headers: Headers, yes: Label, no: Label) -> None:
    """Emit left op right, leaving to `yes` or `no`. Raises ExpressionError."""
    _check(node, headers)
    for side in (node.left, node.right):
        operands = _guarded(side, headers)
        for operand in reversed(operands):
            headers.foresee(operand, no)
        for operand in operands:
            headers.require(operand, no)
    evaluation = Evaluation(headers)
    left = evaluation.value(node.left)
    right = evaluation.value(node.right)
    compare(headers.builder, node.op, left, right, yes, no)


def compare(builder: Builder, op: RelOp, left: Value, right: Value, yes: Label, no: Label) -> None:
    """Emit left op right (unsigned), leaving to `yes` or `no`."""
    if isinstance(left, int):
        if isinstance(right, int):
            builder.jump(yes if _holds(op, left, right) else no)
            return
        op, left, right = _MIRRORED[op], right, left
    if op in _NEGATED:
        op, yes, no = _NEGATED[op], no, yes
    builder.branch(_CMP[op], left, right, yes, no)


_MIRRORED = {  # a op b is b _MIRRORED[op] a
    RelOp.EQ: RelOp.EQ, RelOp.NE: RelOp.NE,
    RelOp.LT: RelOp.GT, RelOp.GT: RelOp.LT,
    RelOp.LE: RelOp.GE, RelOp.GE: RelOp.LE,
}  # fmt: skip
_NEGATED = {RelOp.NE: RelOp.EQ, RelOp.LT: RelOp.GE, RelOp.LE: RelOp.GT}
_CMP = {RelOp.EQ: Cmp.EQ, RelOp.GT: Cmp.GT, RelOp.GE: Cmp.GE}


def _holds(op: RelOp, left: int, right: int) -> bool:
    """Return whether left op right."""
    if op in _NEGATED:
        return not _holds(_NEGATED[op], left, right)
    if op is RelOp.EQ:
        return left == right
    return left > right if op is RelOp.GT else left >= right


# -- what an operand implies, and what it may not be ----------------------------------------------


def _check(node: Relation, headers: Headers) -> None:
    """Refuse a size that no load has, a divisor or shift that the text shows to be wrong."""
    for side in (node.left, node.right):
        for part in postorder(side):
            if isinstance(part, PacketBytes) and part.size not in (1, 2, 4):
                raise ExpressionError(
                    "data size must be 1, 2, or 4", text=headers.text, span=part.span
                )
            if isinstance(part, (PacketBytes, HeaderField)):
                headers.check(part)
            elif isinstance(part, Binary):
                _check_right_operand(part, headers)


def _check_right_operand(node: Binary, headers: Headers) -> None:
    """Refuse a division by the number 0, and a shift by a number above 31."""
    number: Arith = node.right
    while headers.libpcap_faults and not isinstance(number, Num):
        inner = _leftmost(number)
        if inner is None:
            return
        number = inner
    if not isinstance(number, Num):
        return
    message = ""
    if node.op is AluOp.DIV and number.value == 0:
        message = "division by zero"
    elif node.op is AluOp.MOD and number.value == 0:
        message = "modulus by zero"
    elif node.op in (AluOp.LSH, AluOp.RSH) and number.value > 31:
        message = "shift by more than 31 bits"
    if message:
        raise ExpressionError(message, text=headers.text, span=node.right.span)


def _leftmost(node: Arith) -> Arith | None:
    """Return the operand that libpcap computes first, if there is one."""
    if isinstance(node, Binary):
        return node.left
    if isinstance(node, Negate):
        return node.operand
    return node.index if isinstance(node, PacketBytes) else None


def _guarded(side: Arith, headers: Headers) -> list[PacketBytes | HeaderField]:
    """Return the operands that imply a header, what is within an index before what it is of."""
    parts = postorder(side, leftmost=headers.libpcap_faults)
    return [part for part in parts if isinstance(part, (PacketBytes, HeaderField))]


def postorder(root: Arith, *, leftmost: bool = False) -> list[Arith]:
    """Return the nodes of a tree, operands before operators, left before right.

    Two negations in a row are left out. With `leftmost`, of an operator's two operands only the
    left one and what is in it.
    """
    found: list[Arith] = []
    todo = [root]
    while todo:
        node = todo.pop()
        while isinstance(node, Negate) and isinstance(node.operand, Negate):
            node = node.operand.operand
        found.append(node)
        if isinstance(node, Binary):
            todo.append(node.left)
            if not leftmost:
                todo.append(node.right)
        elif isinstance(node, Negate):
            todo.append(node.operand)
        elif isinstance(node, PacketBytes):
            todo.append(node.index)
    found.reverse()
    return found


# -- the computation ------------------------------------------------------------------------------


class Evaluation:
    """Emits the computation of values; knows how large each one can be."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._builder = headers.builder
        self._most: dict[Reg, int] = {}

    def value(self, root: Arith) -> Value:
        """Emit `root`, operands first, and return its value."""
        values: list[Value] = []
        for node in postorder(root):
            if isinstance(node, Num):
                values.append(node.value & U32)
            elif isinstance(node, Length):
                values.append(self._builder.meta(MetaField.LENGTH))
            elif isinstance(node, HeaderField):
                values.append(self._headers.field(node))
            elif isinstance(node, PacketBytes):
                values.append(self._load(node, values.pop()))
            elif isinstance(node, Negate):
                values.append(self._compute(AluOp.SUB, 0, values.pop()))
            else:
                right = values.pop()
                values.append(self._compute(node.op, values.pop(), right))
        return values.pop()

    def _load(self, node: PacketBytes, index: Value) -> Value:
        """Load at the header's origin + index, a sum that wraps at 32 bits as in libpcap."""
        origin = self._headers.origin(node)
        base, offset = origin.base, origin.offset
        if isinstance(index, int) and (base is None or index <= FARTHEST):
            offset += index
        elif base is None:
            assert not isinstance(index, int)
            base = index
        else:
            self._most[base] = origin.most
            total = self._compute(AluOp.ADD, base, index)
            assert not isinstance(total, int)
            base = total
            if origin.floor is not None and self._largest(index) > FARTHEST:
                self._no_nearer(base, origin.floor)
        if offset > FARTHEST:
            return self._nothing()
        if base is not None and self._largest(base) > FARTHEST and base != origin.base:
            self._no_farther(base)
        reg = self._headers.load(base, offset, node.size)
        self._most[reg] = (1 << 8 * node.size) - 1
        return reg

    def _no_farther(self, base: Reg) -> None:
        """End with "no match" where a computed offset is beyond every packet."""
        beyond, within = self._builder.label("far"), self._builder.label("near")
        self._builder.branch(Cmp.GT, base, FARTHEST, beyond, within)
        self._builder.place(beyond)
        self._builder.ret(Verdict.NO_MATCH)
        self._builder.place(within)

    def _no_nearer(self, base: Reg, floor: Reg | int) -> None:
        """End with "no match" where a computed offset has wrapped to before its header."""
        before, within = self._builder.label("far"), self._builder.label("near")
        self._builder.branch(Cmp.GE, base, floor, within, before)
        self._builder.place(before)
        self._builder.ret(Verdict.NO_MATCH)
        self._builder.place(within)

    def _nothing(self) -> int:
        """End with "no match": what is asked for does not exist in any packet."""
        self._builder.ret(Verdict.NO_MATCH)
        return 0

    def _compute(self, op: AluOp, a: Value, b: Value) -> Value:
        """Emit a op b, or fold it."""
        if isinstance(b, int):
            if op in (AluOp.DIV, AluOp.MOD) and b == 0:
                return self._nothing()
            if isinstance(a, int):
                return fold(op, a, b)
            if op in (AluOp.LSH, AluOp.RSH) and b > 31:
                return 0
        elif isinstance(a, int):
            if op in _COMMUTES:
                return self._emit(op, b, a)
            return self._emit(op, self._builder.const(a), b)
        return self._emit(op, a, b)

    def _emit(self, op: AluOp, a: Reg, b: Value) -> Reg:
        reg = self._builder.alu(op, a, b)
        self._most[reg] = self._bound(op, a, b)
        return reg

    def _largest(self, value: Value) -> int:
        return value if isinstance(value, int) else self._most.get(value, U32)

    def _bound(self, op: AluOp, a: Value, b: Value) -> int:
        """Return a value that a op b cannot exceed."""
        left, right = self._largest(a), self._largest(b)
        if op is AluOp.AND:
            return min(left, right)
        if op is AluOp.MOD:
            return min(left, max(right - 1, 0))
        if op is AluOp.DIV or (op is AluOp.RSH and not isinstance(b, int)):
            return left // b if isinstance(b, int) else left
        if op is AluOp.RSH:
            return left >> right
        most = U32 + 1
        if op is AluOp.ADD:
            most = left + right
        elif op is AluOp.MUL:
            most = left * right
        elif op is AluOp.LSH and isinstance(b, int):
            most = left << b
        elif op in (AluOp.OR, AluOp.XOR):
            most = (1 << max(left.bit_length(), right.bit_length())) - 1
        return min(most, U32)


_COMMUTES = (AluOp.ADD, AluOp.MUL, AluOp.AND, AluOp.OR, AluOp.XOR)


def fold(op: AluOp, a: int, b: int) -> int:
    """Return a op b as the machine computes it; b is not 0 for DIV and MOD."""
    if op in (AluOp.LSH, AluOp.RSH) and b > 31:
        return 0
    return _FOLDED[op](a, b) & U32


_FOLDED: dict[AluOp, Callable[[int, int], int]] = {
    AluOp.ADD: operator.add, AluOp.SUB: operator.sub, AluOp.MUL: operator.mul,
    AluOp.DIV: operator.floordiv, AluOp.MOD: operator.mod,
    AluOp.AND: operator.and_, AluOp.OR: operator.or_, AluOp.XOR: operator.xor,
    AluOp.LSH: operator.lshift, AluOp.RSH: operator.rshift,
}  # fmt: skip
