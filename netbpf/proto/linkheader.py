"""Link headers: where each link type's header names its payload, and where it ends.

Sources: IEEE 802.3; RFC 1662 (PPP begins with address and control); the LINKTYPE_ registry's pages.
"""

from __future__ import annotations

from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class LinkHeader:
    """A link header, in bytes.

    `type_at` is where the two bytes are that name the payload, None where there are none such.
    `behind_llc` is how far behind the header an OSI packet begins.
    """

    type_at: int | None
    length: int
    behind_llc: int = 0


LINK_HEADERS = {
    LinkType.NULL: LinkHeader(None, 4),
    LinkType.EN10MB: LinkHeader(12, 14, behind_llc=3),
    LinkType.PPP: LinkHeader(2, 4),
    LinkType.RAW: LinkHeader(None, 0),
    LinkType.LOOP: LinkHeader(None, 4),
    LinkType.LINUX_SLL: LinkHeader(14, 16),
    LinkType.IPV4: LinkHeader(None, 0),
    LinkType.IPV6: LinkHeader(None, 0),
    LinkType.LINUX_SLL2: LinkHeader(0, 20),
}

PPP_IN_PPPOE = LinkHeader(0, 2)
"""A PPP frame in a PPPoE session begins with its protocol, RFC 2516 §4."""
