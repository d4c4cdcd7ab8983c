"""`inner (EXPR)`: the scope of the packet that a tunnel carries.

After `vxlan` and `geneve` that is where the scope lies already. `gre`, `ipip` and `gtp` are entered
here. Without a tunnel before it, `inner` enters whichever of the five the packet has: their
positions are joined, so that EXPR is lowered once.
Sources: RFC 2784, 2890 (GRE), 2003, 4213 (IP in IP), 3GPP TS 29.281 (GTP-U).
Depends on native.tunnels.
"""

from __future__ import annotations

from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.tests import go_on, refuse
from netbpf.expr.lower.native import tunnels
from netbpf.expr.lower.native.link import SOMEWHERE
from netbpf.expr.lower.native.network import OFFSET
from netbpf.expr.lower.native.scope import Content, Scope
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.expr.nodes import Inner, Tunnel
from netbpf.ir.program import AluOp, Cmp, Label, Reg, Verdict
from netbpf.proto import tunnel as facts
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import DESTINATION_PORT, IpProtocol
from netbpf.proto.linktype import LinkType
from netbpf.records import replace

DEEPEST = 4
"""`inner` within `inner`."""


def enter(stack: NativeStack, node: Inner, no: Label) -> Scope:
    """Go on within the tunnel, else jump to `no`; return the scope of what it carries."""
    scope = stack.scope
    if scope.inners >= DEEPEST:
        raise refuse(stack, f"'inner' is nested more than {DEEPEST} deep", node.span)
    inside = scope if scope.entered else _within(stack, no)
    return replace(inside, tags=0, tunnel=None, entered=False, inners=scope.inners + 1)


def _within(stack: NativeStack, no: Label) -> Scope:
    scope, builder = stack.scope, stack.builder
    name = scope.tunnel.tunnel.value if scope.tunnel else "inner"
    link = scope.reg(f"{name}.link")
    known = builder.assigned(link) and builder.assigned(scope.reg(f"{name}.type"))
    if not known:
        stack.network_header().whole()
        if scope.tunnel is None:
            _whichever(stack, name, no)
        elif scope.tunnel.tunnel is Tunnel.GRE:
            _enter_gre(stack, name)
        elif scope.tunnel.tunnel is Tunnel.IPIP:
            _enter_ipip(stack, name)
        else:
            _enter_gtp(stack, name)
    origin = Origin(link, 0, SOMEWHERE)
    return scope.within(name, scope.tunnel, LinkType.EN10MB, origin, Content.ANY)


def _whichever(stack: NativeStack, name: str, no: Label) -> None:
    """Enter any of the five tunnels."""
    builder, scope = stack.builder, stack.scope
    done, udp, ipip, gre = (builder.label() for _ in range(4))
    whole, other = builder.label(), builder.label()
    builder.branch(Cmp.SET, scope.reg("frag"), OFFSET, no, whole)
    builder.place(whole)
    builder.branch(Cmp.EQ, scope.reg("proto"), IpProtocol.UDP, udp, other)
    builder.place(other)
    in_ip = tuple((number, number) for number in (IpProtocol.IPIP, IpProtocol.IPV6))
    not_ip = builder.label()
    builder.member((scope.reg("proto"),), in_ip, ipip, not_ip)
    builder.place(not_ip)
    builder.branch(Cmp.EQ, scope.reg("proto"), IpProtocol.GRE, gre, no)
    builder.place(gre)
    go_on(builder, tunnels.gre_header(stack), no)
    _enter_gre(stack, name)
    builder.jump(done)
    builder.place(ipip)
    _enter_ipip(stack, name)
    builder.jump(done)
    builder.place(udp)
    _behind_udp(stack, name, no)
    builder.place(done)


def _behind_udp(stack: NativeStack, name: str, no: Label) -> None:
    """Enter VXLAN, Geneve or GTP, by the destination port."""
    builder, scope = stack.builder, stack.scope
    done = builder.label()
    port = builder.load(scope.reg("l4"), DESTINATION_PORT.offset, 2)
    vxlan, other = builder.label(), builder.label()
    builder.branch(Cmp.EQ, port, facts.VXLAN_PORT, vxlan, other)
    builder.place(vxlan)
    go_on(builder, tunnels.vxlan_header(stack), no)
    tunnels.enter_vxlan(stack, name)
    builder.const(EtherType.TEB, scope.reg(f"{name}.type"))
    builder.jump(done)
    builder.place(other)
    geneve, other = builder.label(), builder.label()
    builder.branch(Cmp.EQ, port, facts.GENEVE_PORT, geneve, other)
    builder.place(geneve)
    go_on(builder, tunnels.geneve_header(stack), no)
    tunnels.enter_geneve(stack, name)
    builder.jump(done)
    builder.place(other)
    gtp = builder.label()
    builder.branch(Cmp.EQ, port, facts.GTP_PORT, gtp, no)
    builder.place(gtp)
    go_on(builder, tunnels.gtp_header(stack), no)
    _enter_gtp(stack, name)
    builder.place(done)


def _enter_gre(stack: NativeStack, name: str) -> None:
    """Skip the header and the options that its flags announce, four bytes each."""
    builder, scope = stack.builder, stack.scope
    l4 = scope.reg("l4")
    flags = builder.load(l4, 0, 2)
    options: list[Reg] = []
    for flag in (facts.GRE_CHECKSUM, facts.GRE_KEY, facts.GRE_SEQUENCE):
        bit = builder.alu(AluOp.AND, flags, flag)
        options.append(builder.alu(AluOp.RSH, bit, flag.bit_length() - 3))
    length = builder.alu(AluOp.ADD, options[0], options[1])
    length = builder.alu(AluOp.ADD, length, options[2])
    kind = builder.load(l4, facts.GRE_PROTOCOL, 2)
    header = builder.alu(AluOp.ADD, l4, facts.GRE_LENGTH)
    builder.alu(AluOp.ADD, header, length, scope.reg(f"{name}.link"))
    builder.copy(scope.reg(f"{name}.type"), kind)


def _enter_ipip(stack: NativeStack, name: str) -> None:
    """The protocol number says which IP follows."""
    builder, scope = stack.builder, stack.scope
    builder.copy(scope.reg(f"{name}.link"), scope.reg("l4"))
    is4, is6, done = builder.label(), builder.label(), builder.label()
    builder.branch(Cmp.EQ, scope.reg("proto"), IpProtocol.IPIP, is4, is6)
    builder.place(is4)
    builder.const(EtherType.IPV4, scope.reg(f"{name}.type"))
    builder.jump(done)
    builder.place(is6)
    builder.const(EtherType.IPV6, scope.reg(f"{name}.type"))
    builder.place(done)


def _enter_gtp(stack: NativeStack, name: str) -> None:
    """Skip the header, its optional fields and extension headers; the nibble tells the IP."""
    builder, scope = stack.builder, stack.scope
    l4, link, kind = scope.reg("l4"), scope.reg(f"{name}.link"), scope.reg(f"{name}.type")
    done, plain, more = builder.label(), builder.label(), builder.label()
    flags = builder.load(l4, facts.UDP_LENGTH, 1)
    builder.branch(Cmp.SET, flags, facts.GTP_OPTIONAL, more, plain)
    builder.place(plain)
    builder.alu(AluOp.ADD, l4, facts.UDP_LENGTH + facts.GTP_LENGTH, link)
    builder.jump(done)
    builder.place(more)
    _behind_gtp_extensions(stack, link, done)
    builder.place(done)
    nibble = builder.alu(AluOp.RSH, builder.load(link, 0, 1), 4)
    is4, not4, is6, neither, found = (builder.label() for _ in range(5))
    builder.branch(Cmp.EQ, nibble, 4, is4, not4)
    builder.place(is4)
    builder.const(EtherType.IPV4, kind)
    builder.jump(found)
    builder.place(not4)
    builder.branch(Cmp.EQ, nibble, 6, is6, neither)
    builder.place(is6)
    builder.const(EtherType.IPV6, kind)
    builder.jump(found)
    builder.place(neither)
    builder.const(0, kind)
    builder.place(found)


def _behind_gtp_extensions(stack: NativeStack, link: Reg, done: Label) -> None:
    """Skip the optional fields and up to four extension headers; more of them are "no match".

    The byte before each names its type, 0 that there is none; its first byte is its length in
    words. One of no words is followed by itself, and thus by too many.
    """
    builder, scope = stack.builder, stack.scope
    l4 = scope.reg("l4")
    start = facts.UDP_LENGTH + facts.GTP_LENGTH + 4
    here = builder.alu(AluOp.ADD, l4, start)
    extended, whole = builder.label(), builder.label()
    flags = builder.load(l4, facts.UDP_LENGTH, 1)
    builder.branch(Cmp.SET, flags, facts.GTP_EXTENDED, extended, whole)
    builder.place(whole)
    builder.copy(link, here)
    builder.jump(done)
    builder.place(extended)
    kind = builder.load(l4, start - 1, 1)
    for step in range(facts.GTP_EXTENSIONS + 1):
        end, extension = builder.label(), builder.label()
        builder.branch(Cmp.EQ, kind, 0, end, extension)
        builder.place(end)
        builder.copy(link, here)
        builder.jump(done)
        builder.place(extension)
        if step == facts.GTP_EXTENSIONS:
            break
        words = builder.load(here, 0, 1)
        name = scope.reg(f"gtp.ext{step}")
        here = builder.alu(AluOp.ADD, here, builder.alu(AluOp.LSH, words, 2), name)
        kind = builder.load(builder.alu(AluOp.SUB, here, 1), 0, 1)
    builder.ret(Verdict.NO_MATCH)
