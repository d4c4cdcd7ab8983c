"""Which packet an expression speaks of at a point: the outer one, or one within tags and tunnels.

A scope belongs to one `and` branch of one chain (see lower.boolean). It is immutable; a tunnel's
primitive leads to the scope of the terms after it. Registers of different scopes never share
names: `prefix` stands before each, and says the way, such as 'vxlan4789.mpls1.'.
Depends on lower.arith, proto.
"""

from __future__ import annotations

from enum import Enum

from netbpf.expr.lower.arith import Origin
from netbpf.expr.nodes import TunnelTest
from netbpf.ir.program import Reg
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass, replace


class Content(Enum):
    """What a scope's first header is."""

    FRAME = "frame"  # a link header of the scope's link type
    ANY = "any"  # an Ethernet frame or bare IP; the register 'type' tells by its EtherType


@dataclass(frozen=True, slots=True)
class Scope:
    """A position in nested headers.

    `link` is where the first header begins. `tags` counts the VLAN tags that `vlan` primitives
    have named in this branch, `labels` the MPLS labels. `tunnel` is the last tunnel primitive in
    this branch, which `inner` goes into; `entered` that the scope lies within it already (vxlan,
    geneve, mpls, pppoes shift, gre, ipip and gtp do not).
    """

    prefix: str
    linktype: LinkType
    link: Origin
    content: Content = Content.FRAME
    outermost: bool = False
    tags: int = 0
    labels: int = 0
    tunnel: TunnelTest | None = None
    entered: bool = False
    nesting: int = 0  # how many tunnels lead here
    inners: int = 0  # how many `inner (…)` stand around

    def reg(self, name: str) -> Reg:
        """Return the scope's register of that name."""
        return Reg(self.prefix + name)

    def before_labels(self) -> Scope:
        """Return the scope of the link header, which MPLS labels do not change."""
        if not self.labels:
            return self
        return replace(self, prefix=self.prefix.removesuffix(f"mpls{self.labels}."), labels=0)

    def behind_tag(self) -> Scope:
        """Return the scope after `vlan`: the next one asks for the next tag."""
        return replace(self, tags=self.tags + 1)

    def behind_label(self, node: TunnelTest) -> Scope:
        """Return the scope after `mpls`: the network header is behind one more label."""
        labels = self.labels + 1
        prefix = f"{self.before_labels().prefix}mpls{labels}."
        return replace(self, prefix=prefix, labels=labels, tunnel=node, entered=True)

    def beside(self, node: TunnelTest) -> Scope:
        """Return the scope after `gre`, `ipip`, `gtp`: the same, but `inner` knows its tunnel."""
        return replace(self, tunnel=node, entered=False)

    def within(
        self, name: str, node: TunnelTest | None, linktype: LinkType, link: Origin, content: Content
    ) -> Scope:
        """Return the scope of what a tunnel carries."""
        return Scope(
            prefix=f"{self.prefix}{name}.",
            linktype=linktype,
            link=link,
            content=content,
            tunnel=node,
            entered=True,
            nesting=self.nesting + 1,
            inners=self.inners,
        )
