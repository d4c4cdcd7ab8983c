"""Where the layers of a packet begin: the question that the two dialects answer differently.

What needs no other answer is lowered once, in `lower.common`, for both: link-layer types, IPv4,
ARP, RARP and IPv6 hosts and nets, Ethernet addresses, broadcast and multicast, LLC, ISO, DECnet,
directions, and every complaint about qualifiers. A dialect gives its `Layers`, and lowers itself
what differs: VLAN tags and tunnels, protocols and ports behind IPv6 headers, `proto[…]`.
Depends on ir.builder and proto.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from netbpf.errors import Span
from netbpf.expr.environment import Environment
from netbpf.expr.lower.arith import Origin
from netbpf.expr.nodes import Direction, Proto
from netbpf.ir.builder import Builder
from netbpf.ir.program import Label, Reg
from netbpf.proto.ip import IpProtocol
from netbpf.proto.linktype import LinkType

if TYPE_CHECKING:
    from netbpf.expr.lower.common.sets import Element  # which depends on Test

Test = Callable[[Label, Label], None]
"""Emits a test at the builder's present point, and leaves to (yes, no)."""


class Layers(Protocol):
    """The positions, for the scope that the present test stands in.

    Methods may emit code: an Origin's base is assigned at the builder's present point.
    """

    builder: Builder
    env: Environment

    @property
    def linktype(self) -> LinkType:
        """The innermost link header's type: EN10MB within VXLAN, PPP within PPPoE."""

    @property
    def labels(self) -> int:
        """How many MPLS labels stand before the network header."""

    @property
    def encapsulated(self) -> bool:
        """Whether the link header is that of a frame within Geneve or VXLAN."""

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load from the frame as it was on the wire."""

    def link(self) -> Origin:
        """Return where the link header begins."""

    def protocol(self) -> Reg:
        """Return what the link header says of its payload: EtherType or length, PPP protocol.

        Two bytes; not for link types without such a field (RAW, IPV4, IPV6, NULL, LOOP).
        """

    def protocol_choices(self) -> tuple[int, ...] | None:
        """Return the values that `protocol` can give, where the hook tells them; usually None."""

    def behind_length(self) -> Origin:
        """Return where LLC begins behind Ethernet's length field: at the payload, as a rule."""

    def payload(self) -> Origin:
        """Return where the link header ends, and an LLC header would begin."""

    def network(self) -> Origin:
        """Return where the network header begins: the payload, behind any MPLS labels."""

    def osi(self) -> Origin:
        """Return where an OSI packet begins: on Ethernet, behind three bytes of LLC."""

    def require_ethernet(self, no: Label) -> None:
        """Go on where there is an Ethernet header, else jump to `no` (Geneve may carry bare IP)."""


class Stack(Layers, Protocol):
    """The layers, and what each dialect finds behind the network header in its own way."""

    def ip_protocol_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for `proto N`; `family` is IP, IP6, or None for both."""

    def protochain_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for `protochain N`."""

    def ports_are(
        self,
        ports: Sequence[Element],
        protocol: IpProtocol | None,
        direction: Direction | None,
        span: Span,
    ) -> Test:
        """Return the test for these ports, considered in this order.

        `protocol` is TCP, UDP, SCTP, or None for all three.
        """
