"""The extensions that are tests of their own: TCP flags, payload prefixes, fragments.

Sources: RFC 9293 §3.1, 791, 8200 §4.5. Depends on native.stack, native.operands and common.
"""

from __future__ import annotations

from netbpf.expr.lower.common.tests import every, field_is
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.native.network import OFFSET
from netbpf.expr.lower.native.operands import has_payload, payload
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.expr.nodes import Fragment, FragmentKind, PayloadStarts, TcpFlags
from netbpf.ir.program import Cmp, Label
from netbpf.proto.ip import TCP_FLAGS, IpProtocol


def extension_holds(stack: NativeStack, node: TcpFlags | PayloadStarts | Fragment) -> Test:
    """Return the test of an extension."""
    if isinstance(node, TcpFlags):
        return _tcp_flags(stack, node)
    if isinstance(node, PayloadStarts):
        return _payload_starts(stack, node)
    return _fragment(stack, node)


def _tcp_flags(stack: NativeStack, node: TcpFlags) -> Test:
    """Return the test that some flags are set and others clear."""
    flags = field_is(
        stack, stack.transport, TCP_FLAGS.offset, TCP_FLAGS.width, node.set, node.set | node.clear
    )
    return every(stack.builder, stack.protocol_in((IpProtocol.TCP,)), stack.not_later(), flags)


def _payload_starts(stack: NativeStack, node: PayloadStarts) -> Test:
    """Return the test that the payload begins with some bytes, compared from the front."""
    parts: list[Test] = []
    at = 0
    for width in (4, 2, 1):
        while len(node.prefix) - at >= width:
            value = int.from_bytes(node.prefix[at : at + width], "big")
            parts.append(field_is(stack, lambda: payload(stack), at, width, value))
            at += width
    return every(stack.builder, has_payload(stack), *parts)


def _fragment(stack: NativeStack, node: Fragment) -> Test:
    """Return the test for a fragment; a packet with offset 0 and no more to come is none."""
    builder = stack.builder

    def emit(yes: Label, no: Label) -> None:
        if node.kind is FragmentKind.LATER:
            stack.network_header().whole()
            builder.branch(Cmp.SET, stack.scope.reg("frag"), OFFSET, yes, no)
            return
        stack.network_header().whole(more=True)
        later = yes if node.kind is FragmentKind.ANY else no
        no_later = builder.label()
        builder.branch(Cmp.SET, stack.scope.reg("frag"), OFFSET, later, no_later)
        builder.place(no_later)
        builder.branch(Cmp.EQ, stack.scope.reg("more"), 0, no, yes)

    return emit
