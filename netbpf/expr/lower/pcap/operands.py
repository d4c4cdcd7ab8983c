"""What `proto[…]` implies in a relation, and where the protocol's header begins.

A network protocol is asked of the link header; a transport protocol means IPv4 and no later
fragment, but for ICMPv6, which must stand right behind the IPv6 header.
Depends on pcap.stack, arith and common.
"""

from __future__ import annotations

from netbpf.expr.lower.arith import Headers, Origin
from netbpf.expr.lower.common.keywords import IP_PROTOCOLS, LINK_PROTOCOLS
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import go_on, refuse
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.ports import ipv4_protocol_is, next_header_is, unfragmented
from netbpf.expr.lower.pcap.stack import PcapStack
from netbpf.expr.nodes import HeaderField, PacketBytes, Proto
from netbpf.ir.program import Label, Reg
from netbpf.proto.ethertype import EtherType

_NETWORK = (
    Proto.IP, Proto.ARP, Proto.RARP, Proto.ATALK, Proto.DECNET, Proto.SCA, Proto.LAT,
    Proto.MOPRC, Proto.MOPDL, Proto.IP6,
)  # fmt: skip
_TRANSPORT = (
    Proto.SCTP, Proto.TCP, Proto.UDP, Proto.ICMP, Proto.IGMP, Proto.IGRP, Proto.PIM,
    Proto.VRRP, Proto.CARP,
)  # fmt: skip


class PcapHeaders(Headers):
    """The headers that relations reach, as arith asks for them."""

    libpcap_faults = True

    def __init__(self, stack: PcapStack) -> None:
        self.builder = stack.builder
        self.text = stack.env.text
        self._stack = stack

    def check(self, node: PacketBytes | HeaderField) -> None:
        """Refuse what has no index, and a protocol that cannot be asked for where we stand."""
        self._guards(node)

    def foresee(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Ask for IPv4 before the index of a transport protocol asks for anything."""
        if isinstance(node, PacketBytes) and node.proto in _TRANSPORT:
            go_on(self.builder, link_protocol_is(self._stack, EtherType.IPV4, node.span), no)

    def require(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Go on where the packet has the header, else jump to `no`."""
        for guard in self._guards(node):
            go_on(self.builder, guard, no)

    def _guards(self, node: PacketBytes | HeaderField) -> tuple[Test, ...]:
        """Return the tests that an operand implies."""
        stack, span = self._stack, node.span
        if isinstance(node, HeaderField) or node.proto is None:
            word = node.name if isinstance(node, HeaderField) else "payload"
            raise refuse(stack, f"'{word}' is not part of pcap-filter", span)
        proto = node.proto
        if proto in _NETWORK:
            return (link_protocol_is(stack, LINK_PROTOCOLS[proto], span),)
        if proto in _TRANSPORT:
            number, _ = IP_PROTOCOLS[proto]
            return ipv4_protocol_is(stack, (number,), span), unfragmented(stack)
        if proto is Proto.ICMP6:
            number, _ = IP_PROTOCOLS[proto]
            return (next_header_is(stack, (number,), span),)
        if proto is Proto.LINK:
            return ()
        if proto is Proto.RADIO:
            raise refuse(stack, "radio information not present in capture", span)
        raise refuse(stack, f"'{proto.value}' does not support the index operation", span)

    def origin(self, node: PacketBytes) -> Origin:
        """Return where the header begins."""
        if node.proto is Proto.LINK:
            return self._stack.link()
        if node.proto in _TRANSPORT:
            return self._stack.transport4()
        return self._stack.transport6() if node.proto is Proto.ICMP6 else self._stack.network()

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load from the frame as it was on the wire."""
        return self._stack.load(base, offset, width)
