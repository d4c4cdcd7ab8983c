"""The layers, and what libpcap finds behind the network header.

Depends on pcap.layers, pcap.ports and pcap.protochain.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.errors import Span
from netbpf.expr.lower.common.sets import Element
from netbpf.expr.lower.common.tests import check_most, some
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.layers import PcapLayers
from netbpf.expr.lower.pcap.ports import ipv4_protocol_is, ipv6_protocol_is, port4, port6
from netbpf.expr.lower.pcap.protochain import protochain4, protochain6
from netbpf.expr.nodes import Direction, Proto
from netbpf.proto.ip import WITH_PORTS, IpProtocol


class PcapStack(PcapLayers):
    """What the tests that both dialects share ask for."""

    def ip_protocol_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for `proto N`, in IPv4 first."""
        check_most(self, "protocol number", number, 0xFF, span)
        if family is Proto.IP:
            return ipv4_protocol_is(self, (number,), span)
        if family is Proto.IP6:
            return ipv6_protocol_is(self, number, span)
        in_ipv4 = ipv4_protocol_is(self, (number,), span)
        return some(self.builder, in_ipv4, ipv6_protocol_is(self, number, span))

    def protochain_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for `protochain N`, in IPv4 first."""
        if family is Proto.IP:
            return protochain4(self, number, span)
        if family is Proto.IP6:
            return protochain6(self, number, span)
        in_ipv4 = protochain4(self, number, span)
        return some(self.builder, in_ipv4, protochain6(self, number, span))

    def ports_are(
        self,
        ports: Sequence[Element],
        protocol: IpProtocol | None,
        direction: Direction | None,
        span: Span,
    ) -> Test:
        """Return the test for ports, in IPv6 first: no packet is of both versions."""
        protocols = WITH_PORTS if protocol is None else (protocol,)
        tests = (port(self, ports, protocols, direction, span) for port in (port6, port4))
        return some(self.builder, *tests)
