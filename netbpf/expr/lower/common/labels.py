"""MPLS labels and PPPoE: the tests, which are the same in both dialects.

What a dialect makes of the headers behind them is its own affair.
Sources: RFC 3032, 2516. Depends on lower.layers, common and proto.
"""

from __future__ import annotations

from netbpf.expr.lower.common.linktypes import bottom_of_stack, link_protocol_is
from netbpf.expr.lower.common.tests import check_most, every, field_is, negated
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import TunnelTest
from netbpf.proto import tunnel as facts
from netbpf.proto.ethertype import EtherType
from netbpf.proto.linktype import LinkType
from netbpf.proto.ppp import PppProtocol


def mpls_label(layers: Layers, node: TunnelTest) -> Test:
    """Return the test for the next label. Raises ExpressionError on link types without MPLS."""
    if layers.labels:
        label = negated(bottom_of_stack(layers))
    elif layers.linktype is LinkType.EN10MB:
        label = link_protocol_is(layers, EtherType.MPLS, node.span)
    elif layers.linktype is LinkType.PPP:
        label = link_protocol_is(layers, PppProtocol.MPLS, node.span)
    else:
        raise not_on_linktype(layers, "mpls", node.span)
    if node.ident is None:
        return label
    check_most(layers, "MPLS label", node.ident, facts.LABEL_MOST, node.span)
    value, mask = node.ident << facts.LABEL_SHIFT, facts.LABEL_MOST << facts.LABEL_SHIFT
    return every(layers.builder, label, field_is(layers, layers.network, 0, 4, value, mask))


def pppoe_discovery(layers: Layers, node: TunnelTest) -> Test:
    """Return the test for PPPoE's discovery stage."""
    return link_protocol_is(layers, EtherType.PPPOE_DISCOVERY, node.span)


def pppoe_session(layers: Layers, node: TunnelTest) -> Test:
    """Return the test for a PPPoE session."""
    session = link_protocol_is(layers, EtherType.PPPOE_SESSION, node.span)
    if node.ident is None:
        return session
    check_most(layers, "PPPoE session number", node.ident, 0xFFFF, node.span)
    number = field_is(layers, layers.network, facts.PPPOE_SESSION, 2, node.ident)
    return every(layers.builder, session, number)
