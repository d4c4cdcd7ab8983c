"""Where libpcap takes the layers of a packet to be, as an expression goes on.

libpcap keeps one set of offsets for the whole expression: `vlan`, `mpls`, `pppoes`, `geneve` and
`vxlan` move them for everything to their right, across `or`, `not` and parentheses alike. A scope
is therefore the order of the text, and this state is changed in that order.
Depends on lower.frame, ir.builder and proto.
"""

from __future__ import annotations

from netbpf.expr.environment import Environment
from netbpf.expr.lower.arith import FARTHEST, Origin
from netbpf.expr.lower.frame import Frame
from netbpf.ir.builder import Builder
from netbpf.ir.program import AluOp, Cmp, Label, Reg, Verdict
from netbpf.proto.ip import IPV4_VERSION, IPV6_LENGTH
from netbpf.proto.linkheader import LINK_HEADERS, PPP_IN_PPPOE
from netbpf.proto.linktype import LinkType
from netbpf.proto.tunnel import LABEL_LENGTH, PPPOE_LENGTH, TAG_LENGTH

SOMEWHERE = FARTHEST // 2
"""No offset that a tunnel's headers lead to is larger: their bytes have been loaded."""


class PcapLayers:
    """The offsets, and what can be asked of them."""

    def __init__(self, env: Environment, builder: Builder, frame: Frame) -> None:
        header = LINK_HEADERS[env.linktype]
        self.env = env
        self.builder = builder
        self.linktype = env.linktype
        self.labels = 0  # MPLS labels before the network header
        self.encapsulated = False  # within Geneve or VXLAN, where a link header may be missing
        self._frame = frame
        self._link = Origin(None, 0)
        self._type = Origin(None, header.type_at or 0)
        self._payload = Origin(None, header.length)
        self._nosnap = header.behind_llc
        self._behind = 0  # bytes between the payload's start and the network header

    # -- what is asked -----------------------------------------------------------------------------

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load from the frame as it was on the wire.

        Before a frame that a tunnel's header has been the first bytes of there is nothing.
        """
        if offset < 0:
            self.builder.ret(Verdict.NO_MATCH)
        return self._frame.load(base, max(offset, 0), width)

    def link(self) -> Origin:
        """Return where the link header begins."""
        return self._link

    def protocol(self) -> Reg:
        """Load the two bytes that name the payload."""
        return self.load(self._type.base, self._type.offset, 2)

    def protocol_choices(self) -> tuple[int, ...] | None:
        """Return what these bytes can be, where a hook tells them."""
        return self._frame.choices(self._type.base, self._type.offset, 2)

    def behind_length(self) -> Origin:
        """Return where LLC begins behind a length field."""
        return further(self._type, 2)

    def payload(self) -> Origin:
        """Return where the link header ends."""
        return self._payload

    def network(self) -> Origin:
        """Return where the network header begins."""
        return further(self._payload, self._behind)

    def osi(self) -> Origin:
        """Return where an OSI packet begins."""
        return further(self._payload, self._nosnap)

    def transport4(self) -> Origin:
        """Return what follows the IPv4 header; loads the header's length."""
        network = self.network()
        version = self.load(network.base, network.offset + IPV4_VERSION.offset, 1)
        words = self.builder.alu(AluOp.AND, version, 0x0F)
        length = self.builder.alu(AluOp.LSH, words, 2)
        if network.base is None:
            return Origin(length, network.offset, most=0x0F << 2)
        base = self.builder.alu(AluOp.ADD, network.base, length)
        return Origin(base, network.offset, most=SOMEWHERE)

    def transport6(self) -> Origin:
        """Return what follows the fixed IPv6 header."""
        return further(self.network(), IPV6_LENGTH)

    @property
    def movable(self) -> bool:
        """Whether the payload's start depends on the packet."""
        return self._payload.base is not None

    def require_ethernet(self, no: Label) -> None:
        """Go on where there is an Ethernet header, else jump to `no` (Geneve may carry bare IP)."""
        if not self.encapsulated:
            return
        link, payload = self._link.base, self._payload.base
        assert link is not None
        assert payload is not None
        onward = self.builder.label()
        self.builder.branch(Cmp.EQ, link, payload, no, onward)
        self.builder.place(onward)

    # -- what moves them ---------------------------------------------------------------------------

    def enter_vlan(self) -> None:
        """Go on behind a VLAN tag."""
        self._type = further(self._type, TAG_LENGTH)
        self._payload = further(self._payload, TAG_LENGTH)

    def enter_mpls(self) -> None:
        """Go on behind an MPLS label."""
        self._behind += LABEL_LENGTH
        self.labels += 1

    def enter_pppoe(self) -> None:
        """Go on with the PPP frame in a PPPoE session: it begins with its protocol number."""
        self._link = self._type = further(self.network(), PPPOE_LENGTH)
        self._payload = further(self._link, PPP_IN_PPPOE.length)
        self.linktype = LinkType.PPP
        self.encapsulated = False
        self._nosnap = 0

    def enter_ethernet(self, link: Reg, type_at: Reg, payload: Reg) -> None:
        """Go on with a frame in a tunnel; the registers are 0 where there has been none."""
        self._link = Origin(link, 0, most=SOMEWHERE)
        self._type = Origin(type_at, 0, most=SOMEWHERE)
        self._payload = Origin(payload, 0, most=SOMEWHERE)
        self.linktype = LinkType.EN10MB
        self.encapsulated = True
        self._behind = 0


def further(origin: Origin, distance: int) -> Origin:
    """Return the position `distance` bytes behind another."""
    return Origin(origin.base, origin.offset + distance, origin.most)
