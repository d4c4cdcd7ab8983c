"""Walk the link header: EtherType and network header behind up to two VLAN tags.

Assigns, in its scope, `etype` (EtherType, or an 802.3 length), `l3` (where the link's payload
begins) and `tags` (0 to 2): on every path that goes on, so that a later primitive finds them known.
Where the hook may hold the outermost tag beside the packet's bytes, that is the first of the two.
Sources: IEEE 802.3, 802.1Q-2018; the LINKTYPE_ registry's LINUX_SLL and LINUX_SLL2.
Depends on native.scope, ir.builder, proto.
"""

from __future__ import annotations

from netbpf.expr.lower.arith import FARTHEST, Origin
from netbpf.expr.lower.native.scope import Content, Scope
from netbpf.ir.builder import Builder
from netbpf.ir.program import AluOp, Cmp, MetaField, Reg
from netbpf.proto.ethertype import TAG_TYPES, EtherType
from netbpf.proto.linkheader import LINK_HEADERS, PPP_IN_PPPOE
from netbpf.proto.linktype import LinkType
from netbpf.proto.tunnel import TAG_LENGTH

SOMEWHERE = FARTHEST // 2
"""No header starts farther out: those before it have been loaded."""

LINK_ASKED = "link header asked for"
"""Marked in a scope (Builder.mark) on the paths on which something asked for a walk."""

TAGS = 2  # as many are looked through; a third is opaque

_TPIDS = tuple((int(tpid), int(tpid)) for tpid in sorted(TAG_TYPES))

_CAN_HAVE_TAGS = (LinkType.EN10MB, LinkType.LINUX_SLL, LinkType.LINUX_SLL2)


class LinkWalk:
    """What the link header of a scope tells; emits the walk when it is first asked."""

    def __init__(self, builder: Builder, scope: Scope, *, stripped: bool) -> None:
        self._builder = builder
        self._scope = scope
        self._stripped = stripped and scope.outermost and scope.linktype is LinkType.EN10MB
        in_pppoe = scope.linktype is LinkType.PPP and not scope.outermost
        self._header = PPP_IN_PPPOE if in_pppoe else LINK_HEADERS[scope.linktype]

    @property
    def has_tags(self) -> bool:
        """Whether the link type can have tags."""
        return self._scope.linktype in _CAN_HAVE_TAGS

    def protocol(self) -> Reg:
        """Return the register of the two bytes that name the payload."""
        if self.has_tags:
            self._walk()
            return self._scope.reg("etype")
        link, type_at = self._scope.link, self._header.type_at
        assert type_at is not None
        return self._builder.load(link.base, link.offset + type_at, 2)

    def payload(self) -> Origin:
        """Return where the link header ends."""
        if self.has_tags:
            self._walk()
            return Origin(self._scope.reg("l3"), 0, SOMEWHERE)
        link = self._scope.link
        return Origin(link.base, link.offset + self._header.length, link.most)

    def tags(self) -> Reg:
        """Return the register of the number of tags."""
        self._walk()
        return self._scope.reg("tags")

    def tag(self, depth: int) -> Reg:
        """Return the register of a tag's control information, which the packet must have."""
        builder, link = self._builder, self._scope.link
        at = link.offset + self._header.length + depth * TAG_LENGTH
        if not self._stripped:
            return builder.load(link.base, at, 2)
        join = self._scope.reg(f"tci{depth}")
        if builder.assigned(join):
            return join
        beside, inline, done = builder.label(), builder.label(), builder.label()
        builder.branch(Cmp.EQ, builder.meta(MetaField.VLAN_PRESENT), 1, beside, inline)
        builder.place(beside)
        if depth == 0:
            builder.copy(join, builder.meta(MetaField.VLAN_TCI))
        else:
            builder.copy(join, builder.load(link.base, at - TAG_LENGTH, 2))
        builder.jump(done)
        builder.place(inline)
        builder.copy(join, builder.load(link.base, at, 2))
        builder.place(done)
        return join

    # -- the walk ----------------------------------------------------------------------------------

    def _walk(self) -> None:
        builder, scope = self._builder, self._scope
        builder.mark(scope.reg(LINK_ASKED))
        if all(builder.assigned(scope.reg(name)) for name in ("etype", "l3", "tags")):
            return
        if self._stripped:
            self._walk_from_metadata()
        elif scope.content is Content.ANY:
            self._walk_unless_bare()
        else:
            self._walk_tags(0, TAGS)

    def _walk_from_metadata(self) -> None:
        """The hook may hold the first tag; the bytes then begin as if it were not there."""
        builder = self._builder
        beside, inline, done = builder.label(), builder.label(), builder.label()
        builder.branch(Cmp.EQ, builder.meta(MetaField.VLAN_PRESENT), 1, beside, inline)
        builder.place(beside)
        self._walk_tags(1, TAGS)
        builder.jump(done)
        builder.place(inline)
        self._walk_tags(0, TAGS)
        builder.place(done)

    def _walk_unless_bare(self) -> None:
        """A tunnel's payload need not be Ethernet: then its EtherType is the tunnel's word."""
        builder, scope = self._builder, self._scope
        kind = scope.reg("type")
        framed, bare, done = builder.label(), builder.label(), builder.label()
        builder.branch(Cmp.EQ, kind, EtherType.TEB, framed, bare)
        builder.place(bare)
        self._assign(kind, Origin(scope.link.base, scope.link.offset), 0)
        builder.jump(done)
        builder.place(framed)
        self._walk_tags(0, TAGS)
        builder.place(done)

    def _walk_tags(self, seen: int, most: int) -> None:
        """Walk inline tags, `seen` having been told by the hook, until there is none or `most`."""
        builder, link = self._builder, self._scope.link
        assert self._header.type_at is not None
        done = builder.label()
        etype = builder.load(link.base, link.offset + self._header.type_at, 2)
        end = link.offset + self._header.length
        for tags in range(seen, most + 1):
            if tags < most:
                tagged, plain = builder.label("tag"), builder.label("plain")
                builder.member((etype,), _TPIDS, tagged, plain)
                builder.place(plain)
            self._assign(etype, Origin(link.base, end), tags)
            builder.jump(done)
            if tags < most:
                builder.place(tagged)
                etype = builder.load(link.base, end + 2, 2)
                end += TAG_LENGTH
        builder.place(done)

    def _assign(self, etype: Reg, payload: Origin, tags: int) -> None:
        builder, scope = self._builder, self._scope
        builder.copy(scope.reg("etype"), etype)
        assign_position(builder, scope.reg("l3"), payload)
        builder.const(tags, scope.reg("tags"))


def assign_position(builder: Builder, join: Reg, position: Origin) -> None:
    """Assign where something begins to a join."""
    if position.base is None:
        builder.const(position.offset, join)
    elif position.offset == 0:
        builder.copy(join, position.base)
    else:
        builder.alu(AluOp.ADD, position.base, position.offset, join)
