"""Which file lowers which test, for all tests that both dialects share.

Depends on the other files of this package.
"""

from __future__ import annotations

from netbpf.expr import nodes
from netbpf.expr.lower.common.primitives import primitive_holds
from netbpf.expr.lower.common.tests import refuse
from netbpf.expr.lower.layers import Stack, Test


def shared_test(stack: Stack, node: nodes.Test) -> Test | None:
    """Return the test for `node`, None if that is for the dialect to say.

    The dialects lower relations, tunnels and the extensions by themselves.
    """
    if isinstance(node, nodes.Primitive):
        return primitive_holds(stack, node)
    if isinstance(node, nodes.Keyword | nodes.Unsupported):
        # Many expressions have nothing but primitives: the rest is imported when it is met.
        from netbpf.expr.lower.common import keywords

        if isinstance(node, nodes.Unsupported):
            raise keywords.unsupported(stack, node)
        return keywords.keyword_holds(stack, node)
    if isinstance(node, nodes.Broadcast | nodes.Multicast):
        from netbpf.expr.lower.common import casts

        if isinstance(node, nodes.Broadcast):
            return casts.broadcast(stack, node)
        return casts.multicast(stack, node)
    if isinstance(node, nodes.Llc):
        from netbpf.expr.lower.common.llc import llc

        return llc(stack, node)
    if isinstance(node, nodes.IfName):
        raise refuse(stack, "'ifname' supported only on PFLOG linktype", node.span)
    if isinstance(node, nodes.LengthLimit | nodes.ByteTest | nodes.Inbound | nodes.IfIndex):
        from netbpf.expr.lower.common.frames import frame_holds

        return frame_holds(stack, node)
    return None
