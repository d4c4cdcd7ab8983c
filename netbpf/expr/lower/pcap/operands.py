"""What `proto[…]` implies in a relation, and where the protocol's header begins.

A network protocol is asked of the link header; a transport protocol means IPv4 and no later
fragment, but for ICMPv6, which must stand right behind the IPv6 header.
Depends on pcap.stack, arith and common.
"""

from __future__ import annotations

from netbpf.errors import ExpressionError
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.keywords import IP_PROTOCOLS, LINK_PROTOCOLS
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import go_on, refuse
from netbpf.expr.lower.pcap.ports import ipv4_protocol_is, next_header_is, unfragmented
from netbpf.expr.lower.pcap.stack import PcapStack
from netbpf.expr.nodes import HeaderField, PacketBytes, Proto
from netbpf.ir.program import Label, Reg

_NETWORK = (
    Proto.IP, Proto.ARP, Proto.RARP, Proto.ATALK, Proto.DECNET, Proto.SCA, Proto.LAT,
    Proto.MOPRC, Proto.MOPDL, Proto.IP6,
)  # fmt: skip
_TRANSPORT = (
    Proto.SCTP, Proto.TCP, Proto.UDP, Proto.ICMP, Proto.IGMP, Proto.IGRP, Proto.PIM,
    Proto.VRRP, Proto.CARP,
)  # fmt: skip


class PcapHeaders:
    """The headers that relations reach, as arith asks for them."""

    libpcap_faults = True

    def __init__(self, stack: PcapStack) -> None:
        self.builder = stack.builder
        self.text = stack.env.text
        self._stack = stack

    def require(self, node: PacketBytes | HeaderField, no: Label) -> None:
        """Go on where the packet has the header, else jump to `no`."""
        if isinstance(node, HeaderField):
            raise _extension(self._stack, node.name, node)
        proto, stack, span = node.proto, self._stack, node.span
        if proto is None:
            raise _extension(stack, "payload", node)
        if proto in _NETWORK:
            go_on(self.builder, link_protocol_is(stack, LINK_PROTOCOLS[proto], span), no)
        elif proto in _TRANSPORT:
            number, _ = IP_PROTOCOLS[proto]
            go_on(self.builder, ipv4_protocol_is(stack, (number,), span), no)
            go_on(self.builder, unfragmented(stack), no)
        elif proto is Proto.ICMP6:
            number, _ = IP_PROTOCOLS[proto]
            go_on(self.builder, next_header_is(stack, (number,), span), no)
        elif proto is Proto.RADIO:
            raise refuse(stack, "radio information not present in capture", span)
        elif proto is not Proto.LINK:
            message = f"'{proto.value}' does not support the index operation"
            raise refuse(stack, message, span)

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

    def field(self, node: HeaderField) -> Reg:
        """Refuse: there are no such fields in pcap-filter."""
        raise _extension(self._stack, node.name, node)


def _extension(stack: PcapStack, word: str, node: PacketBytes | HeaderField) -> ExpressionError:
    return refuse(stack, f"'{word}' is not part of pcap-filter", node.span)
