"""What `proto[…]`, `payload[…]`, `ttl` and `dscp` imply in a relation, and where they are.

`tcp[…]`, `udp[…]` and `icmp6[…]` find their header in IPv4 and IPv6, behind extension headers; the
other transport protocols theirs in IPv4 only, as in libpcap. None of them is in a later fragment.
Sources: RFC 791, 2474 (DSCP), 8200, 9293, 768, 9260.
Depends on native.stack, arith and common.
"""

from __future__ import annotations

from netbpf.expr.lower.arith import Headers, Origin
from netbpf.expr.lower.common.keywords import IP_PROTOCOLS, LINK_PROTOCOLS
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import constant, every, go_on, refuse, some
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.native.link import SOMEWHERE
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.expr.nodes import HeaderField, PacketBytes, Proto
from netbpf.ir.program import AluOp, Cmp, Label, Reg
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import (
    IPV4_TOS,
    IPV4_TTL,
    IPV6_CLASS,
    IPV6_HOP_LIMIT,
    TCP_DATA_OFFSET,
    TRANSPORT_LENGTHS,
    WITH_PORTS,
    IpProtocol,
)
from netbpf.records import replace

_NETWORK = (
    Proto.IP, Proto.ARP, Proto.RARP, Proto.ATALK, Proto.DECNET, Proto.SCA, Proto.LAT,
    Proto.MOPRC, Proto.MOPDL, Proto.IP6,
)  # fmt: skip
_IN_BOTH = (Proto.TCP, Proto.UDP)
_TRANSPORT = (
    Proto.TCP, Proto.UDP, Proto.ICMP6, Proto.SCTP, Proto.ICMP, Proto.IGMP, Proto.IGRP, Proto.PIM,
    Proto.VRRP, Proto.CARP,
)  # fmt: skip


class NativeHeaders(Headers):
    """The headers that relations reach, as arith asks for them."""

    def __init__(self, stack: NativeStack) -> None:
        self.builder = stack.builder
        self.text = stack.env.text
        self._stack = stack
        self._from_link = False  # whether the origin given last is the link header's

    def require(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Go on where the packet has the header, else jump to `no`."""
        go_on(self.builder, self._has(node), no)

    def _has(self, node: PacketBytes | HeaderField) -> Test:
        stack, span = self._stack, node.span
        if isinstance(node, HeaderField):
            families = (EtherType.IPV4, EtherType.IPV6)
            return some(self.builder, *(link_protocol_is(stack, one, span) for one in families))
        proto = node.proto
        if proto is None:
            return has_payload(stack)
        if proto in _NETWORK:
            return link_protocol_is(stack, LINK_PROTOCOLS[proto], span)
        if proto in _TRANSPORT:
            number, family = IP_PROTOCOLS[proto]
            if proto is not Proto.ICMP6 and proto not in _IN_BOTH:
                family = Proto.IP
            return every(
                self.builder, stack.ip_protocol_is(number, family, span), stack.not_later()
            )
        if proto is Proto.LINK:
            return constant(self.builder, True)
        if proto is Proto.RADIO:
            raise refuse(stack, "radio information not present in capture", span)
        raise refuse(stack, f"'{proto.value}' does not support the index operation", span)

    def origin(self, node: PacketBytes) -> Origin:
        """Return where the header begins; comes after `require`."""
        self._from_link = node.proto is Proto.LINK
        if self._from_link:
            return _from(self._stack.link())
        if node.proto is None:
            return _from(payload(self._stack))
        if node.proto not in _TRANSPORT:
            return _from(self._stack.network())
        # As in libpcap, a wrapped index may lead back into the IP header, but not before it.
        network = self._stack.network()
        floor: Reg | int = network.offset
        if network.base is not None:
            floor = self.builder.alu(AluOp.ADD, network.base, network.offset)
        return replace(self._stack.transport(), floor=floor)

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load from the header whose origin was asked for last."""
        if self._from_link:
            return self._stack.load_from_link(base, offset, width)
        return self._stack.load(base, offset, width)

    def field(self, node: HeaderField) -> Reg:
        """Return `ttl` (IPv6: hop limit) or `dscp` (upper six bits of TOS or traffic class)."""
        stack, builder = self._stack, self.builder
        join = stack.scope.reg(node.name)
        if builder.assigned(join):
            return join
        is4, is6, done = builder.label(), builder.label(), builder.label()
        link_protocol_is(stack, EtherType.IPV4, node.span)(is4, is6)
        network = stack.network()
        base, start = network.base, network.offset
        builder.place(is4)
        if node.name == "ttl":
            builder.copy(join, stack.load(base, start + IPV4_TTL.offset, IPV4_TTL.width))
        else:
            tos = stack.load(base, start + IPV4_TOS.offset, IPV4_TOS.width)
            builder.alu(AluOp.RSH, tos, 2, join)
        builder.jump(done)
        builder.place(is6)
        if node.name == "ttl":
            builder.copy(join, stack.load(base, start + IPV6_HOP_LIMIT.offset, 1))
        else:
            word = stack.load(base, start + IPV6_CLASS.offset, IPV6_CLASS.width)
            builder.alu(AluOp.AND, builder.alu(AluOp.RSH, word, 6), 0x3F, join)
        builder.place(done)
        return join


def _from(origin: Origin) -> Origin:
    """Return a header's position such that nothing before it can be reached."""
    return replace(origin, floor=origin.offset if origin.base is None else origin.base)


# -- the transport payload -------------------------------------------------------------------------


def has_payload(stack: NativeStack) -> Test:
    """Return the test for TCP, UDP or SCTP, and no later fragment."""
    return every(stack.builder, stack.protocol_in(WITH_PORTS), stack.not_later())


def payload(stack: NativeStack) -> Origin:
    """Return where the bytes behind the transport header begin; comes after `has_payload`.

    Behind TCP's options, UDP's header, SCTP's common header.
    """
    builder, scope = stack.builder, stack.scope
    join, l4 = scope.reg("payload"), scope.reg("l4")
    origin = Origin(join, 0, SOMEWHERE)
    if builder.assigned(join):
        return origin
    tcp, other, udp, sctp, done = (builder.label() for _ in range(5))
    builder.branch(Cmp.EQ, scope.reg("proto"), IpProtocol.TCP, tcp, other)
    builder.place(tcp)
    words = builder.alu(AluOp.RSH, builder.load(l4, TCP_DATA_OFFSET.offset, 1), 4)
    builder.alu(AluOp.ADD, l4, builder.alu(AluOp.LSH, words, 2), join)
    builder.jump(done)
    builder.place(other)
    builder.branch(Cmp.EQ, scope.reg("proto"), IpProtocol.UDP, udp, sctp)
    for label, protocol in ((udp, IpProtocol.UDP), (sctp, IpProtocol.SCTP)):
        builder.place(label)
        builder.alu(AluOp.ADD, l4, TRANSPORT_LENGTHS[protocol], join)
        builder.jump(done)
    builder.place(done)
    return origin
