"""What the lowering must know beside the expression: where the packets come from."""

from __future__ import annotations

from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """The circumstances that an expression is lowered for.

    `stripped_tags`: the hook may hold the outermost VLAN tag beside the packet's bytes (skb hooks);
    loads then see the frame without it, and MetaField.VLAN_* tell of it. `live`: the interface
    index and the direction are known. `netmask`: IPv4, host byte order, for `ip broadcast`.
    `reuse` False emits every primitive by itself (-O0). `roomy` allows long programs: code for the
    plainest packets may stand ahead of code for all.
    """

    text: str
    dialect: Dialect = Dialect.NETBPF
    linktype: LinkType = LinkType.EN10MB
    netmask: int | None = None
    stripped_tags: bool = False
    live: bool = False
    reuse: bool = True
    roomy: bool = False
