"""Tests of the frame as a whole: its length, one of its bytes, where it came from.

Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr.lower.arith import FARTHEST
from netbpf.expr.lower.common.tests import check_most, field_is, negated, refuse
from netbpf.expr.lower.common.words import dlt
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import ByteTest, IfIndex, Inbound, LengthLimit
from netbpf.ir.program import U32, AluOp, Cmp, Label, MetaField, Verdict
from netbpf.proto.linktype import LinkType

SLL_OUTGOING = 4  # LINUX_SLL and LINUX_SLL2: packet type "sent by us"


def frame_holds(layers: Layers, node: LengthLimit | ByteTest | Inbound | IfIndex) -> Test:
    """Return the test of a frame."""
    if isinstance(node, LengthLimit):
        return _length_within(layers, node)
    if isinstance(node, ByteTest):
        return _byte_holds(layers, node)
    if isinstance(node, Inbound):
        return _direction_is(layers, node)
    return _interface_is(layers, node)


def _length_within(layers: Layers, node: LengthLimit) -> Test:
    """Return the test of `less N` (at most N) or `greater N` (at least N)."""
    builder, value = layers.builder, node.value & U32

    def emit(yes: Label, no: Label) -> None:
        length = builder.meta(MetaField.LENGTH)
        if node.greater:
            builder.branch(Cmp.GE, length, value, yes, no)
        else:
            builder.branch(Cmp.GT, length, value, no, yes)

    return emit


def _byte_holds(layers: Layers, node: ByteTest) -> Test:
    """Return the test of `byte N op VALUE`, counted from the link header."""
    check_most(layers, "byte argument", node.value, 0xFF, node.span)
    builder = layers.builder

    def emit(yes: Label, no: Label) -> None:
        if node.offset > FARTHEST:
            builder.ret(Verdict.NO_MATCH)
            return
        link = layers.link()
        byte = layers.load(link.base, link.offset + node.offset, 1)
        if node.op == "=":
            builder.branch(Cmp.EQ, byte, node.value, yes, no)
        elif node.op == ">":
            builder.branch(Cmp.GT, byte, node.value, yes, no)
        elif node.op == "<":
            builder.branch(Cmp.GE, byte, node.value, no, yes)
        elif node.op == "&":
            builder.branch(Cmp.EQ, builder.alu(AluOp.AND, byte, node.value), 0, no, yes)
        else:
            builder.branch(Cmp.EQ, builder.alu(AluOp.OR, byte, node.value), 0, no, yes)

    return emit


def _direction_is(layers: Layers, node: Inbound) -> Test:
    """Return the test of `inbound` or `outbound`: a field of cooked frames, else the hook's."""
    if layers.linktype is LinkType.LINUX_SLL:
        outbound = field_is(layers, layers.link, 0, 2, SLL_OUTGOING)
    elif layers.linktype is LinkType.LINUX_SLL2:
        outbound = field_is(layers, layers.link, 10, 1, SLL_OUTGOING)
    else:
        word = "outbound" if node.outbound else "inbound"
        outbound = _meta_is(layers, MetaField.OUTBOUND, 1, word, node.span)
    return outbound if node.outbound else negated(outbound)


def _interface_is(layers: Layers, node: IfIndex) -> Test:
    """Return the test of `ifindex N`."""
    if layers.linktype is LinkType.LINUX_SLL2:
        return field_is(layers, layers.link, 4, 4, node.value & U32)
    return _meta_is(layers, MetaField.IFINDEX, node.value & U32, "ifindex", node.span)


def _meta_is(layers: Layers, field: MetaField, value: int, word: str, span: Span) -> Test:
    """Test what only a hook knows."""
    if not layers.env.live:
        shown = dlt(layers.linktype)
        raise refuse(layers, f"not a live capture, '{word}' not supported on {shown}", span)
    builder = layers.builder

    def emit(yes: Label, no: Label) -> None:
        builder.branch(Cmp.EQ, builder.meta(field), value, yes, no)

    return emit
