"""Which file lowers which test, for all tests that both dialects share.

Depends on the other files of this package.
"""

from __future__ import annotations

from netbpf.expr import nodes
from netbpf.expr.lower.common.casts import broadcast, multicast
from netbpf.expr.lower.common.frames import (
    byte_holds,
    direction_is,
    interface_is,
    length_within,
)
from netbpf.expr.lower.common.keywords import keyword_holds, unsupported
from netbpf.expr.lower.common.llc import llc
from netbpf.expr.lower.common.primitives import primitive_holds
from netbpf.expr.lower.common.tests import refuse
from netbpf.expr.lower.layers import Stack, Test


def shared_test(stack: Stack, node: nodes.Test) -> Test | None:
    """Return the test for `node`, None if that is for the dialect to say.

    The dialects lower relations, tunnels and the extensions by themselves.
    """
    if isinstance(node, nodes.Primitive):
        return primitive_holds(stack, node)
    if isinstance(node, nodes.Keyword):
        return keyword_holds(stack, node)
    if isinstance(node, nodes.Broadcast):
        return broadcast(stack, node)
    if isinstance(node, nodes.Multicast):
        return multicast(stack, node)
    if isinstance(node, nodes.LengthLimit):
        return length_within(stack, node)
    if isinstance(node, nodes.ByteTest):
        return byte_holds(stack, node)
    if isinstance(node, nodes.Inbound):
        return direction_is(stack, node)
    if isinstance(node, nodes.IfIndex):
        return interface_is(stack, node)
    if isinstance(node, nodes.Llc):
        return llc(stack, node)
    if isinstance(node, nodes.Unsupported):
        raise unsupported(stack, node)
    if isinstance(node, nodes.IfName):
        raise refuse(stack, "'ifname' supported only on PFLOG linktype", node.span)
    return None
