"""The layers of the default dialect: tags are seen through, IPv6 extension headers are walked.

All that is asked is asked of the present scope. Depends on native.link and native.network.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.errors import Span
from netbpf.expr.environment import Environment
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets import Element, Read, pair_in
from netbpf.expr.lower.common.tests import every, some
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.native.link import SOMEWHERE, LinkWalk
from netbpf.expr.lower.native.network import EXTENSION_HEADERS, OFFSET, NetworkWalk
from netbpf.expr.lower.native.scope import Content, Scope
from netbpf.expr.lower.native.wire import WireBytes
from netbpf.expr.nodes import Direction, Proto
from netbpf.ir.builder import Builder
from netbpf.ir.program import Cmp, Label, Reg
from netbpf.proto.ethertype import EtherType
from netbpf.proto.field import Field
from netbpf.proto.ip import DESTINATION_PORT, SOURCE_PORT, WITH_PORTS, IpProtocol
from netbpf.proto.linkheader import LINK_HEADERS
from netbpf.proto.linktype import LinkType
from netbpf.proto.tunnel import LABEL_LENGTH


class NativeStack:
    """A lower.layers.Stack over the scope that `scope` is set to."""

    def __init__(self, env: Environment, builder: Builder) -> None:
        self.env = env
        self.builder = builder
        self.span = Span(0, 0)  # of the test being lowered
        self.scope = Scope("", env.linktype, Origin(None, 0), outermost=True)
        self.general: Label | None = None  # for what the version at hand was not made for
        self._wire = WireBytes(builder)

    # -- layers ----------------------------------------------------------------------------------

    @property
    def linktype(self) -> LinkType:
        """The innermost link header's type."""
        return self.scope.linktype

    @property
    def labels(self) -> int:
        """How many MPLS labels stand before the network header."""
        return self.scope.labels

    @property
    def encapsulated(self) -> bool:
        """Whether the link header is that of a frame within a tunnel."""
        return not self.scope.outermost and self.scope.linktype is LinkType.EN10MB

    @property
    def tag_may_be_stripped(self) -> bool:
        """Whether the scope's link header may lack a tag that the hook holds."""
        scope = self.scope
        return self.env.stripped_tags and scope.outermost and scope.linktype is LinkType.EN10MB

    def link_header(self) -> LinkWalk:
        """Return the walk of the scope's link header."""
        return LinkWalk(self.builder, self._frame_scope(), stripped=self.env.stripped_tags)

    def _frame_scope(self) -> Scope:
        """Return the scope with the registers of its link header: labels have none of their own."""
        return self.scope.before_labels()

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load at a position that this class gave; those of the link header are on the wire.

        In the outermost Ethernet frame only the link header's positions have no base.
        """
        if base is None and self.tag_may_be_stripped:
            return self._wire.load(None, offset, width)
        return self.builder.load(base, offset, width)

    def load_from_link(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load at a computed offset from the start of the link header, as on the wire."""
        if self.tag_may_be_stripped:
            return self._wire.load(base, offset, width)
        return self.builder.load(base, offset, width)

    def link(self) -> Origin:
        """Return where the link header begins."""
        return self.scope.link

    def protocol(self) -> Reg:
        """Return the EtherType behind the tags, or what the link type has for it."""
        return self.link_header().protocol()

    def protocol_choices(self) -> tuple[int, ...] | None:
        """Return None: the EtherType is not known beforehand."""
        return None

    def behind_length(self) -> Origin:
        """Return where LLC begins."""
        return self.payload()

    def payload(self) -> Origin:
        """Return where the link header, with its tags, ends."""
        return self.link_header().payload()

    def network(self) -> Origin:
        """Return where the network header begins."""
        payload = self.payload()
        return Origin(payload.base, payload.offset + self.labels * LABEL_LENGTH, payload.most)

    def osi(self) -> Origin:
        """Return where an OSI packet begins."""
        payload = self.payload()
        skip = LINK_HEADERS[self.linktype].behind_llc
        return Origin(payload.base, payload.offset + skip, payload.most)

    def require_ethernet(self, no: Label) -> None:
        """Go on where there is an Ethernet header: a tunnel may carry bare IP."""
        if self.scope.content is Content.ANY:
            onward = self.builder.label()
            kind = self._frame_scope().reg("type")
            self.builder.branch(Cmp.EQ, kind, EtherType.TEB, onward, no)
            self.builder.place(onward)

    # -- behind the network header ---------------------------------------------------------------

    def network_header(self) -> NetworkWalk:
        """Return the walks of the scope's network header."""
        general = self.general if self.scope.outermost else None
        return NetworkWalk(self, self.scope, self.span, general)

    def ip_protocol_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for a final protocol, or for an extension header of IPv6."""
        if number in EXTENSION_HEADERS:
            return self._extension_is(number, family, span)
        if family is None:
            return self.protocol_in((number,))
        ethertype = EtherType.IPV4 if family is Proto.IP else EtherType.IPV6

        def emit(yes: Label, no: Label) -> None:
            walk = self.network_header()
            walk.ipv4() if family is Proto.IP else walk.ipv6()
            self.builder.branch(Cmp.EQ, self.scope.reg("proto"), number, yes, no)

        return every(self.builder, link_protocol_is(self, ethertype, span), emit)

    def _extension_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """In IPv4 such a number is a protocol like others; in IPv6 it may be skipped over."""

        def in_ipv4(yes: Label, no: Label) -> None:
            self.network_header().ipv4()
            self.builder.branch(Cmp.EQ, self.scope.reg("proto"), number, yes, no)

        return self._in_either(in_ipv4, number, family, span)

    def protochain_is(self, number: int, family: Proto | None, span: Span) -> Test:
        """Return the test for a protocol anywhere in the chain of headers."""
        from netbpf.expr.lower.native.protochain import in_ipv4_chain  # rare: not at every start

        def in_ipv4(yes: Label, no: Label) -> None:
            in_ipv4_chain(self.builder, self.scope, self.network_header(), number, yes, no)

        return self._in_either(in_ipv4, number, family, span)

    def _in_either(self, in_ipv4: Test, number: int, family: Proto | None, span: Span) -> Test:
        """Return a test for IPv4, or that an IPv6 packet has the number in its chain."""

        def in_ipv6(yes: Label, no: Label) -> None:
            found = self.network_header().in_chain(number)
            self.builder.branch(Cmp.EQ, found, 1, yes, no)

        ipv4 = every(self.builder, link_protocol_is(self, EtherType.IPV4, span), in_ipv4)
        if family is Proto.IP:
            return ipv4
        return in_ipv6 if family is Proto.IP6 else some(self.builder, ipv4, in_ipv6)

    def ports_are(
        self,
        ports: Sequence[Element],
        protocol: IpProtocol | None,
        direction: Direction | None,
        _: Span,
    ) -> Test:
        """Return the test for ports; a later fragment has none."""
        protocols = WITH_PORTS if protocol is None else (protocol,)
        source, destination = (
            self._transport_field(SOURCE_PORT),
            self._transport_field(DESTINATION_PORT),
        )
        found = pair_in(self.builder, source, destination, ports, direction)
        return every(self.builder, self.protocol_in(protocols), self.not_later(), found)

    def protocol_in(self, numbers: Sequence[int]) -> Test:
        """Return the test for one of these final protocols, in IPv4 or IPv6."""

        def emit(yes: Label, no: Label) -> None:
            self.network_header().whole()
            proto = self.scope.reg("proto")
            if len(numbers) == 1:
                self.builder.branch(Cmp.EQ, proto, numbers[0], yes, no)
            else:
                members = tuple((number, number) for number in sorted(numbers))
                self.builder.member((proto,), members, yes, no)

        return emit

    def not_later(self) -> Test:
        """Return the test that the packet is no later fragment; comes after `protocol_in`."""
        return lambda yes, no: self.builder.branch(Cmp.SET, self.scope.reg("frag"), OFFSET, no, yes)

    def transport(self) -> Origin:
        """Return where the transport header begins; comes after `protocol_in`."""
        return Origin(self.scope.reg("l4"), 0, SOMEWHERE)

    def _transport_field(self, field: Field) -> Read:
        return lambda: self.load(self.scope.reg("l4"), field.offset, field.width)
