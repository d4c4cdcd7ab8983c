"""Tags and tunnels: each primitive's test, and the scope that it leads to.

The outer UDP, GRE … header may stand behind IPv4 or IPv6, extension headers included; a later
fragment has none. Sources: see proto.tunnel.
Depends on native.stack, native.scope, common.
"""

from __future__ import annotations

from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.labels import mpls_label, pppoe_discovery, pppoe_session
from netbpf.expr.lower.common.sets import Range, merged
from netbpf.expr.lower.common.tests import check_most, every, field_is, masked, refuse
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.native.link import SOMEWHERE, TAGS
from netbpf.expr.lower.native.scope import Content, Scope
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.expr.nodes import Tunnel, TunnelTest
from netbpf.ir.program import AluOp, Cmp, Label
from netbpf.proto import tunnel as facts
from netbpf.proto.ip import DESTINATION_PORT, IpProtocol
from netbpf.proto.linktype import LinkType

DEEPEST = 8
"""Tunnels within tunnels."""


def tunnel_holds(stack: NativeStack, node: TunnelTest) -> Test:
    """Return the test of a tag's or tunnel's primitive. Raises ExpressionError."""
    return _TESTS[node.tunnel](stack, node)


def scope_after(stack: NativeStack, node: TunnelTest) -> Scope:
    """Return the scope of the terms that `and` joins to the primitive."""
    scope, tunnel = stack.scope, node.tunnel
    if tunnel is Tunnel.VLAN:
        return scope.behind_tag()
    if tunnel is Tunnel.MPLS:
        return scope.behind_label(node)
    if tunnel is Tunnel.PPPOED:
        return scope
    if tunnel in _ENTERED_BY_INNER:
        return scope.beside(node)
    if scope.nesting >= DEEPEST:
        raise refuse(stack, f"tunnels are nested more than {DEEPEST} deep", node.span)
    if tunnel is Tunnel.PPPOES:
        network = stack.network()
        link = Origin(network.base, network.offset + facts.PPPOE_LENGTH, SOMEWHERE)
        return scope.within("pppoe", node, LinkType.PPP, link, Content.FRAME)
    name = overlay_name(node)
    link = Origin(scope.reg(f"{name}.link"), 0, SOMEWHERE)
    content = Content.ANY if tunnel is Tunnel.GENEVE else Content.FRAME
    return scope.within(name, node, LinkType.EN10MB, link, content)


def overlay_name(node: TunnelTest) -> str:
    """Return the name of a tunnel's registers: VXLAN may have any port."""
    if node.tunnel is Tunnel.VXLAN:
        return f"vxlan{facts.VXLAN_PORT if node.port is None else node.port}"
    return str(node.tunnel.value)


_ENTERED_BY_INNER = (Tunnel.GRE, Tunnel.IPIP, Tunnel.GTP)


# -- tags and labels -----------------------------------------------------------------------------


def _vlan(stack: NativeStack, node: TunnelTest) -> Test:
    """The next tag: with an identifier, any; without, one that is not 0 (a mere priority tag)."""
    if stack.labels:
        raise refuse(stack, "no VLAN match after MPLS", node.span)
    if stack.linktype is not LinkType.EN10MB:
        raise not_on_linktype(stack, "vlan", node.span)
    ranges = [Range(low, high) for low, high in node.members]
    if node.ident is not None:
        ranges.append(Range(node.ident, node.ident))
    for item in ranges:
        check_most(stack, "VLAN tag", item.high, facts.VLAN_ID, node.span)
    members = merged(ranges)
    builder, depth = stack.builder, stack.scope.tags

    def emit(yes: Label, no: Label) -> None:
        if depth >= TAGS:
            builder.jump(no)
            return
        header, tagged = stack.link_header(), builder.label()
        builder.branch(Cmp.GT, header.tags(), depth, tagged, no)
        builder.place(tagged)
        vid = builder.alu(AluOp.AND, header.tag(depth), facts.VLAN_ID)
        if not ranges:
            builder.branch(Cmp.EQ, vid, 0, no, yes)
        elif node.ident is not None:
            builder.branch(Cmp.EQ, vid, node.ident, yes, no)
        else:
            builder.member((vid,), members, yes, no)

    return emit


# -- over UDP ------------------------------------------------------------------------------------


def _behind_udp(stack: NativeStack, port: int) -> Test:
    """UDP to a port, no later fragment."""
    return every(
        stack.builder,
        stack.protocol_in((IpProtocol.UDP,)),
        stack.not_later(),
        field_is(stack, stack.transport, DESTINATION_PORT.offset, 2, port),
    )


def _vni(stack: NativeStack, node: TunnelTest) -> Test:
    """The network identifier, if one is asked for."""
    if node.ident is None:
        return every(stack.builder)
    word = "Geneve VNI" if node.tunnel is Tunnel.GENEVE else "VXLAN VNI"
    check_most(stack, word, node.ident, facts.VNI_MOST, node.span)
    value, mask = node.ident << facts.VNI_SHIFT, facts.VNI_MOST << facts.VNI_SHIFT
    return field_is(stack, stack.transport, facts.UDP_LENGTH + facts.VNI_OFFSET, 4, value, mask)


def _vxlan(stack: NativeStack, node: TunnelTest) -> Test:
    port = facts.VXLAN_PORT if node.port is None else node.port
    check_most(stack, "port number", port, 0xFFFF, node.span)
    name = overlay_name(node)

    def enter(yes: Label, _: Label) -> None:
        enter_vxlan(stack, name)
        stack.builder.jump(yes)

    return every(
        stack.builder, _behind_udp(stack, port), vxlan_header(stack), _vni(stack, node), enter
    )


def vxlan_header(stack: NativeStack) -> Test:
    """Return the test of the flags."""
    return field_is(stack, stack.transport, facts.UDP_LENGTH, 1, facts.VXLAN_FLAGS)


def enter_vxlan(stack: NativeStack, name: str) -> None:
    """Assign where the frame begins."""
    l4, link = stack.scope.reg("l4"), stack.scope.reg(f"{name}.link")
    stack.builder.alu(AluOp.ADD, l4, facts.UDP_LENGTH + facts.VXLAN_LENGTH, link)


def _geneve(stack: NativeStack, node: TunnelTest) -> Test:
    def enter(yes: Label, _: Label) -> None:
        enter_geneve(stack, Tunnel.GENEVE.value)
        stack.builder.jump(yes)

    return every(
        stack.builder,
        _behind_udp(stack, facts.GENEVE_PORT),
        geneve_header(stack),
        _vni(stack, node),
        enter,
    )


def geneve_header(stack: NativeStack) -> Test:
    """Return the test of the version."""
    return field_is(stack, stack.transport, facts.UDP_LENGTH, 1, 0, facts.GENEVE_VERSION)


def enter_geneve(stack: NativeStack, name: str) -> None:
    """Assign what the payload is, and where behind the options it begins."""
    builder, scope = stack.builder, stack.scope
    l4 = scope.reg("l4")
    first = builder.load(l4, facts.UDP_LENGTH, 1)
    options = builder.alu(AluOp.LSH, builder.alu(AluOp.AND, first, facts.GENEVE_OPTIONS), 2)
    header = builder.alu(AluOp.ADD, l4, facts.UDP_LENGTH + facts.GENEVE_LENGTH)
    builder.alu(AluOp.ADD, header, options, scope.reg(f"{name}.link"))
    kind = builder.load(l4, facts.UDP_LENGTH + facts.GENEVE_PROTOCOL, 2)
    builder.copy(scope.reg(f"{name}.type"), kind)


# -- tunnels that `inner` enters -----------------------------------------------------------------


def _gre(stack: NativeStack, _: TunnelTest) -> Test:
    return every(
        stack.builder, stack.protocol_in((IpProtocol.GRE,)), stack.not_later(), gre_header(stack)
    )


def gre_header(stack: NativeStack) -> Test:
    """Return the test of version 0, without the routing of RFC 1701."""
    return field_is(stack, stack.transport, 0, 2, 0, facts.GRE_UNREADABLE)


def _ipip(stack: NativeStack, _: TunnelTest) -> Test:
    return every(
        stack.builder,
        stack.protocol_in((IpProtocol.IPIP, IpProtocol.IPV6)),
        stack.not_later(),
    )


def _gtp(stack: NativeStack, node: TunnelTest) -> Test:
    tests = [_behind_udp(stack, facts.GTP_PORT), gtp_header(stack)]
    if node.ident is not None:
        check_most(stack, "GTP TEID", node.ident, 0xFFFFFFFF, node.span)
        at = facts.UDP_LENGTH + facts.GTP_TEID
        tests.append(field_is(stack, stack.transport, at, 4, node.ident))
    return every(stack.builder, *tests)


def gtp_header(stack: NativeStack) -> Test:
    """Return the test of version 1 of GTP-U, and a message that carries a packet."""

    def emit(yes: Label, no: Label) -> None:
        origin = stack.transport()
        word = stack.load(origin.base, origin.offset + facts.UDP_LENGTH, 2)
        mask = facts.GTP_VERSION_MASK << 8 | 0xFF
        masked(stack.builder, word, mask, facts.GTP_VERSION << 8 | facts.GTP_G_PDU, yes, no)

    return emit


_TESTS = {
    Tunnel.VLAN: _vlan,
    Tunnel.MPLS: mpls_label,
    Tunnel.PPPOED: pppoe_discovery,
    Tunnel.PPPOES: pppoe_session,
    Tunnel.VXLAN: _vxlan,
    Tunnel.GENEVE: _geneve,
    Tunnel.GRE: _gre,
    Tunnel.IPIP: _ipip,
    Tunnel.GTP: _gtp,
}
