"""Find headers in a packet, byte by byte."""

from __future__ import annotations

from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass, replace

TAGS = (0x8100, 0x88A8, 0x9100)
TAGS_SEEN_THROUGH = 2
EXTENSIONS = (0, 43, 44, 51, 60)
LONGEST_CHAIN = 8
IPV4, IPV6, ETHERNET = 0x0800, 0x86DD, 0x6558
TAGGABLE = {  # where the type is, where the payload begins
    LinkType.EN10MB: (12, 14),
    LinkType.LINUX_SLL: (14, 16),
    LinkType.LINUX_SLL2: (0, 20),
}
FIXED = {  # where the payload begins
    LinkType.NULL: 4,
    LinkType.LOOP: 4,
    LinkType.PPP: 4,
    LinkType.RAW: 0,
    LinkType.IPV4: 0,
    LinkType.IPV6: 0,
}


class UndecidableError(Exception):
    """Something lies beyond the captured bytes: the packet does not match, whatever is asked."""


@dataclass(frozen=True)
class View:
    """The packet that an expression speaks of: the whole one, or what a tunnel in it carries.

    `bare` is the EtherType of a tunnel's payload that has no link header of its own.
    """

    data: bytes  # as on the wire
    length: int
    ifindex: int
    outbound: bool
    linktype: LinkType
    start: int = 0
    bare: int | None = None
    outermost: bool = True
    tags: int = 0  # named by `vlan` so far
    labels: int = 0  # named by `mpls` so far

    def read(self, at: int, width: int) -> int:
        """Return a big-endian number."""
        if at < 0 or at + width > len(self.data):
            raise UndecidableError
        return int.from_bytes(self.data[at : at + width], "big")

    def inside(self, start: int, bare: int | None, linktype: LinkType = LinkType.EN10MB) -> View:
        """Return the view of what begins at `start`; `bare` ETHERNET is a frame."""
        bare = None if bare == ETHERNET else bare
        return replace(
            self, start=start, bare=bare, linktype=linktype, outermost=False, tags=0, labels=0
        )


@dataclass(frozen=True)
class Link:
    """What a link header says: the payload's type and place, the tags' control information."""

    type: int
    payload: int
    tags: tuple[int, ...] = ()


def link_of(view: View) -> Link:
    """Read a link header that names its payload, through its tags."""
    if view.bare is not None:
        return Link(view.bare, view.start)
    if view.linktype is LinkType.PPP:
        at = view.start + (2 if view.outermost else 0)
        return Link(view.read(at, 2), at + 2)
    type_at, payload = TAGGABLE[view.linktype]
    kind, payload = view.read(view.start + type_at, 2), view.start + payload
    tags: list[int] = []
    while kind in TAGS and len(tags) < TAGS_SEEN_THROUGH:
        kind = view.read(payload + 2, 2)
        tags.append(view.read(payload, 2))
        payload += 4
    return Link(kind, payload, tuple(tags))


def payload_of(view: View) -> int:
    """Return where the link header ends."""
    if view.bare is None and view.linktype in FIXED and view.linktype is not LinkType.PPP:
        return view.start + FIXED[view.linktype]
    return link_of(view).payload


def network_of(view: View) -> int:
    """Return where the network header begins, behind the MPLS labels named so far."""
    return payload_of(view) + 4 * view.labels


def version_of(view: View) -> int | None:
    """Return 4 or 6 where an IP header follows the link header, labels included."""
    linktype = view.linktype
    if view.labels:
        at = network_of(view)
        if not view.read(at - 2, 1) & 1:
            return None
        return {4: 4, 6: 6}.get(view.read(at, 1) >> 4)
    if view.bare is None and linktype in (LinkType.IPV4, LinkType.IPV6):
        return 4 if linktype is LinkType.IPV4 else 6
    if view.bare is None and linktype is LinkType.RAW:
        return {4: 4, 6: 6}.get(view.read(view.start, 1) >> 4)
    if view.bare is None and linktype in (LinkType.NULL, LinkType.LOOP):
        family = view.read(view.start, 4)
        families = {2: 4, 24: 6, 28: 6, 30: 6}
        if linktype is LinkType.NULL and family not in families:
            family = int.from_bytes(family.to_bytes(4, "big"), "little")
        return families.get(family)
    names = {0x21: 4, 0x57: 6} if linktype is LinkType.PPP else {IPV4: 4, IPV6: 6}
    return names.get(link_of(view).type)


@dataclass(frozen=True)
class Network:
    """What follows the IP headers: the protocol, where it begins, which fragment it is.

    `skipped` are the numbers of the IPv6 extension headers before it.
    """

    protocol: int
    transport: int
    offset: int = 0
    more: bool = False
    skipped: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the transport header is here: no later fragment."""
        return self.offset == 0


def ip_of(view: View) -> Network | None:
    """Walk the IP headers; None where there are none."""
    version = version_of(view)
    if version is None:
        return None
    at = network_of(view)
    return _ipv4(view, at) if version == 4 else _ipv6(view, at)


def _ipv4(view: View, at: int) -> Network:
    protocol = view.read(at + 9, 1)
    fragment = view.read(at + 6, 2)
    words = view.read(at, 1) & 0x0F
    return Network(protocol, at + 4 * words, fragment & 0x1FFF, bool(fragment & 0x2000))


def _ipv6(view: View, at: int) -> Network:
    found = Network(view.read(at + 6, 1), at + 40)
    while found.protocol in EXTENSIONS and found.whole:
        if len(found.skipped) == LONGEST_CHAIN:
            raise UndecidableError
        found = _behind_extension(view, found)
    return found


def _behind_extension(view: View, found: Network) -> Network:
    here, header = found.protocol, found.transport
    skipped = (*found.skipped, here)
    word = view.read(header, 4)
    following, count = word >> 24, (word >> 16) & 0xFF
    if here == 44:
        offset, more = (word >> 3) & 0x1FFF, bool(word & 1)
        return Network(following, header + 8, offset, more, skipped)
    length = 4 * (count + 2) if here == 51 else 8 * (count + 1)
    return Network(following, header + length, found.offset, found.more, skipped)


def chain_has(view: View, number: int) -> bool:
    """Whether an IPv6 packet has a header of that number, looking no farther than it must."""
    found = Network(view.read(network_of(view) + 6, 1), network_of(view) + 40)
    while True:
        if found.protocol == number:
            return True
        if found.protocol not in EXTENSIONS or not found.whole:
            return False
        if len(found.skipped) == LONGEST_CHAIN:
            raise UndecidableError
        found = _behind_extension(view, found)


def ah_chain_has(view: View, number: int) -> bool:
    """Whether an IPv4 packet has that protocol, perhaps behind authentication headers."""
    found = _ipv4(view, network_of(view))
    protocol, at = found.protocol, found.transport
    for _ in range(LONGEST_CHAIN + 1):
        if protocol == number:
            return True
        if protocol != 51 or not found.whole:
            return False
        if _ == LONGEST_CHAIN:
            break
        word = view.read(at, 2)
        protocol, at = word >> 8, at + 4 * ((word & 0xFF) + 2)
    raise UndecidableError
