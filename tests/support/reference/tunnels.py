"""Tags and tunnels: is it there, and where is what it carries."""

from __future__ import annotations

from netbpf.expr.nodes import Tunnel, TunnelTest
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from tests.support.reference.headers import (
    ETHERNET,
    IPV4,
    IPV6,
    Network,
    UndecidableError,
    View,
    ip_of,
    link_of,
    network_of,
)


def holds(view: View, node: TunnelTest) -> bool:
    """Whether the packet has the tag or tunnel."""
    kind = node.tunnel
    if kind is Tunnel.VLAN:
        return _vlan(view, node)
    if kind is Tunnel.MPLS:
        return _mpls(view, node)
    if kind in (Tunnel.PPPOED, Tunnel.PPPOES):
        return _pppoe(view, node)
    found = ip_of(view)
    return found is not None and found.whole and _over_ip(view, node, found)


def _vlan(view: View, node: TunnelTest) -> bool:
    if view.tags >= 2:
        return False
    tags = link_of(view).tags
    if len(tags) <= view.tags:
        return False
    vid = tags[view.tags] & 0xFFF
    if node.members:
        return any(low <= vid <= high for low, high in node.members)
    return vid != 0 if node.ident is None else vid == node.ident


def _mpls(view: View, node: TunnelTest) -> bool:
    if view.labels:
        if view.read(network_of(view) - 2, 1) & 1:
            return False
    elif link_of(view).type != (0x0281 if view.linktype is LinkType.PPP else 0x8847):
        return False
    return node.ident is None or view.read(network_of(view), 4) >> 12 == node.ident


def _pppoe(view: View, node: TunnelTest) -> bool:
    if link_of(view).type != (0x8863 if node.tunnel is Tunnel.PPPOED else 0x8864):
        return False
    return node.ident is None or view.read(network_of(view) + 2, 2) == node.ident


def _over_ip(view: View, node: TunnelTest, found: Network) -> bool:
    kind, at = node.tunnel, found.transport
    if kind is Tunnel.IPIP:
        return found.protocol in (4, 41)
    if kind is Tunnel.GRE:
        return found.protocol == 47 and not view.read(at, 2) & 0x4007
    ports = {Tunnel.VXLAN: 4789, Tunnel.GENEVE: 6081, Tunnel.GTP: 2152}
    port = ports[kind] if node.port is None else node.port
    if found.protocol != 17 or view.read(at + 2, 2) != port:
        return False
    if kind is Tunnel.GTP:
        word = view.read(at + 8, 2)
        if word >> 12 != 3 or word & 0xFF != 255:
            return False
        return node.ident is None or view.read(at + 12, 4) == node.ident
    first = view.read(at + 8, 1)
    if (first != 8) if kind is Tunnel.VXLAN else (first >> 6 != 0):
        return False
    if node.ident is not None and view.read(at + 12, 4) >> 8 != node.ident:
        return False
    if kind is Tunnel.GENEVE:
        view.read(at + 10, 2)  # the payload's type must be there
    return True


def carried(view: View, node: TunnelTest) -> View:
    """Return the view of what a tag, label or tunnel carries; it holds."""
    kind = node.tunnel
    if kind is Tunnel.VLAN:
        return replace(view, tags=view.tags + 1)
    if kind is Tunnel.MPLS:
        return replace(view, labels=view.labels + 1)
    if kind is Tunnel.PPPOES:
        return view.inside(network_of(view) + 6, None, LinkType.PPP)
    found = ip_of(view)
    assert found is not None
    return _ENTER[kind](view, found)


def _vxlan(view: View, found: Network) -> View:
    return view.inside(found.transport + 16, ETHERNET)


def _geneve(view: View, found: Network) -> View:
    options = 4 * (view.read(found.transport + 8, 1) & 0x3F)
    kind = view.read(found.transport + 10, 2)
    return view.inside(found.transport + 16 + options, kind)


def _gre(view: View, found: Network) -> View:
    flags = view.read(found.transport, 2)
    options = sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
    kind = view.read(found.transport + 2, 2)
    return view.inside(found.transport + 4 + options, kind)


def _ipip(view: View, found: Network) -> View:
    return view.inside(found.transport, IPV4 if found.protocol == 4 else IPV6)


def _gtp(view: View, found: Network) -> View:
    flags, at = view.read(found.transport + 8, 1), found.transport + 16
    if flags & 7:
        at += 4
        kind = view.read(at - 1, 1) if flags & 4 else 0
        count = 0
        while kind:
            if count == 4:
                raise UndecidableError
            words = view.read(at, 1)
            if words == 0:
                raise UndecidableError
            at += 4 * words
            kind = view.read(at - 1, 1)
            count += 1
    nibble = view.read(at, 1) >> 4
    return view.inside(at, {4: IPV4, 6: IPV6}.get(nibble, 0))


_ENTER = {
    Tunnel.VXLAN: _vxlan,
    Tunnel.GENEVE: _geneve,
    Tunnel.GRE: _gre,
    Tunnel.IPIP: _ipip,
    Tunnel.GTP: _gtp,
}
ANY = (Tunnel.GRE, Tunnel.IPIP, Tunnel.VXLAN, Tunnel.GENEVE, Tunnel.GTP)
