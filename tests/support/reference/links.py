"""What a link header may announce, on each link type."""

from __future__ import annotations

from netbpf.expr.nodes import Proto
from netbpf.proto.linktype import LinkType
from tests.support.reference.headers import (
    IPV4,
    IPV6,
    TAGGABLE,
    View,
    link_of,
    payload_of,
    version_of,
)

LINK_WORDS = {
    Proto.IP: IPV4,
    Proto.IP6: IPV6,
    Proto.ARP: 0x0806,
    Proto.RARP: 0x8035,
    Proto.ATALK: 0x809B,
    Proto.AARP: 0x80F3,
    Proto.DECNET: 0x6003,
    Proto.SCA: 0x6007,
    Proto.LAT: 0x6004,
    Proto.MOPDL: 0x6001,
    Proto.MOPRC: 0x6002,
    Proto.ISO: 0xFE,
    Proto.STP: 0x42,
    Proto.IPX: 0xE0,
    Proto.NETBEUI: 0xF0,
}
PPP_NUMBERS = {
    IPV4: 0x21, IPV6: 0x57, 0x6003: 0x27, 0x809B: 0x29, 0x0600: 0x25,
    0xFE: 0x23, 0x42: 0x31, 0xE0: 0x2B,
}  # fmt: skip


def carries(view: View, protocol: int) -> bool:
    """Whether the link header announces an EtherType, or (up to 1500) an LLC service point."""
    if view.labels:
        return version_of(view) == {IPV4: 4, IPV6: 6}[protocol]
    linktype = view.linktype
    if view.bare is None and linktype not in TAGGABLE and linktype is not LinkType.PPP:
        wanted = {IPV4: 4, IPV6: 6}.get(protocol)
        return wanted is not None and version_of(view) == wanted
    kind = link_of(view).type
    if linktype is LinkType.PPP:
        return kind == PPP_NUMBERS.get(protocol, protocol)
    if linktype is LinkType.LINUX_SLL2:
        return kind == protocol
    if kind == protocol and protocol > 1500:
        return True
    return _in_llc(view, kind, protocol)


def _in_llc(view: View, kind: int, protocol: int) -> bool:
    """Whether a frame with an 802.2 header, or Novell's without one, has the protocol."""
    cooked = view.linktype is LinkType.LINUX_SLL
    at = payload_of(view)
    if protocol == 0xE0:
        return _ipx(view, kind, at, cooked)
    if protocol > 1500 and protocol not in (0x809B, 0x80F3):
        return False
    if not (kind == 4 if cooked else kind <= 1500):
        return False
    if protocol == 0x809B:
        return snap(view, at, 0x080007, protocol)
    if protocol == 0x80F3:
        return snap(view, at, 0, protocol)
    if protocol in (0xFE, 0x06, 0xF0):
        return view.read(at, 2) == protocol << 8 | protocol
    return view.read(at, 1) == protocol


def _ipx(view: View, kind: int, at: int, cooked: bool) -> bool:
    if kind == 0x8137 or (cooked and kind == 1):
        return True
    if not (kind == 4 if cooked else kind <= 1500):
        return False
    if cooked:
        return view.read(at, 1) == 0xE0 or snap(view, at, 0, 0x8137)
    return snap(view, at, 0, 0x8137) or view.read(at, 1) == 0xE0 or view.read(at, 2) == 0xFFFF


def snap(view: View, at: int, oui: int, protocol: int) -> bool:
    """Whether there is a SNAP header; its end is compared first."""
    if view.read(at + 4, 4) != (oui & 0xFFFF) << 16 | protocol:
        return False
    return view.read(at, 4) == 0xAAAA0300 | oui >> 16
