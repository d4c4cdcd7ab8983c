"""Primitives that both dialects have: hosts, ports, protocols, Ethernet, LLC, OSI, DECnet."""

from __future__ import annotations

from collections.abc import Callable

from netbpf.expr.nodes import (
    AddressSet,
    ByteTest,
    Direction,
    EtherName,
    HostAddresses,
    IPv4,
    IPv6,
    Kind,
    Mac,
    NetworkName,
    Number,
    PortRange,
    Primitive,
    Proto,
    ProtoNumber,
)
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from tests.support.reference.headers import (
    EXTENSIONS,
    IPV4,
    IPV6,
    View,
    ah_chain_has,
    chain_has,
    ip_of,
    link_of,
    network_of,
    payload_of,
    version_of,
)
from tests.support.reference.links import LINK_WORDS, carries

U32 = 0xFFFFFFFF
PORT_PROTOCOLS = {Proto.TCP: (6,), Proto.UDP: (17,), Proto.SCTP: (132,), None: (6, 17, 132)}
IP_WORDS = {  # number, IP version
    Proto.SCTP: (132, None), Proto.TCP: (6, None), Proto.UDP: (17, None), Proto.AH: (51, None),
    Proto.ESP: (50, None), Proto.PIM: (103, None), Proto.ICMP: (1, 4), Proto.IGMP: (2, 4),
    Proto.IGRP: (9, 4), Proto.VRRP: (112, 4), Proto.CARP: (112, 4), Proto.ICMP6: (58, 6),
}  # fmt: skip
OSI_WORDS = {Proto.CLNP: 0x81, Proto.ESIS: 0x82, Proto.ISIS: 0x83}
ISIS_WORDS = {
    Proto.L1: (15, 17, 18, 24, 26), Proto.L2: (16, 17, 20, 25, 27), Proto.IIH: (15, 16, 17),
    Proto.LSP: (18, 20), Proto.SNP: (24, 25, 26, 27), Proto.CSNP: (24, 25), Proto.PSNP: (26, 27),
}  # fmt: skip
LLC_CONTROLS = {
    "i": (0, 1), "s": (1, 3), "u": (3, 3),
    "rr": (0x01, 0x0F), "rnr": (0x05, 0x0F), "rej": (0x09, 0x0F),
    "ui": (0x03, 0xEF), "ua": (0x63, 0xEF), "disc": (0x43, 0xEF), "dm": (0x0F, 0xEF),
    "sabme": (0x6F, 0xEF), "test": (0xE3, 0xEF), "xid": (0xAF, 0xEF), "frmr": (0x87, 0xEF),
}  # fmt: skip


def primitive(view: View, node: Primitive) -> bool:
    """Whether `[proto] [dir] [kind] id` holds; a set is its elements joined by `or`."""
    if isinstance(node.ident, AddressSet):
        return any(primitive(view, replace(node, ident=one)) for one in node.ident.elements)
    quals, ident = node.quals, node.ident
    if quals.proto is Proto.DECNET:
        return _decnet(view, node)
    if quals.kind in (Kind.PORT, Kind.PORTRANGE):
        return _port(view, node)
    if quals.kind in (Kind.PROTO, Kind.PROTOCHAIN):
        assert isinstance(ident, Number | ProtoNumber)
        return _protocol(view, quals.proto, ident.value, chain=quals.kind is Kind.PROTOCHAIN)
    if quals.kind is Kind.GATEWAY:
        assert isinstance(ident, HostAddresses)
        assert ident.ether is not None
        nets = [(address, U32) for address in ident.ipv4]
        return ethernet(view, ident.ether, None) and _host4(
            view, nets, quals.proto, None, opposite=True
        )
    return _address(view, node)


def _either(
    direction: Direction | None, source: Callable[[], bool], destination: Callable[[], bool]
) -> bool:
    if direction is Direction.SRC:
        return source()
    if direction is Direction.DST:
        return destination()
    if direction is Direction.AND:
        return source() and destination()
    return source() or destination()


# -- addresses -------------------------------------------------------------------------------------


def _address(view: View, node: Primitive) -> bool:
    quals, ident = node.quals, node.ident
    if isinstance(ident, Mac | EtherName):
        return ethernet(view, ident.value, quals.direction)
    if isinstance(ident, IPv6):
        length = 128 if ident.length is None else ident.length
        return _host6(view, ident.value, length, quals.direction)
    if isinstance(ident, HostAddresses):
        nets = [(address, U32) for address in sorted(ident.ipv4)]
        if quals.proto is not Proto.IP6 and _host4(view, nets, quals.proto, quals.direction):
            return True
        return quals.proto not in (Proto.IP, Proto.ARP, Proto.RARP) and any(
            _host6(view, address, 128, quals.direction) for address in sorted(ident.ipv6)
        )
    assert isinstance(ident, IPv4 | Number | NetworkName)
    return _host4(view, [_net(ident, quals.kind)], quals.proto, quals.direction)


def _net(ident: IPv4 | Number | NetworkName, kind: Kind | None) -> tuple[int, int]:
    if isinstance(ident, IPv4):
        value = ident.value << (32 - ident.bits)
        if ident.mask is not None:
            return value, ident.mask << (32 - ident.mask_bits)
        length = ident.bits if ident.length is None else ident.length
        return value, U32 & ~((1 << (32 - length)) - 1)
    value, mask = ident.value, U32
    if kind is Kind.NET:
        while value and value < 1 << 24:
            value, mask = value << 8, mask << 8 & U32
    return value, mask


def _host4(
    view: View,
    nets: list[tuple[int, int]],
    proto: Proto | None,
    direction: Direction | None,
    *,
    opposite: bool = False,
) -> bool:
    families = {Proto.IP: (IPV4, 12, 16), Proto.ARP: (0x0806, 14, 24), Proto.RARP: (0x8035, 14, 24)}
    if proto is None and view.labels:
        proto = Proto.IP
    for name, (ethertype, source, destination) in families.items():
        if proto not in (None, name) or not carries(view, ethertype):
            continue
        at = network_of(view)
        found = any(
            _either(
                direction,
                lambda: view.read(at + source, 4) & mask == value,  # noqa: B023
                lambda: view.read(at + destination, 4) & mask == value,  # noqa: B023
            )
            for value, mask in nets
        )
        return not found if opposite else found
    return False


def _host6(view: View, value: int, length: int, direction: Direction | None) -> bool:
    if not carries(view, IPV6):
        return False
    at = network_of(view)

    def same(where: int) -> bool:
        for word in range(4):
            shift = 96 - 32 * word
            mask = ((1 << 128) - (1 << (128 - length))) >> shift & U32
            if view.read(where + 4 * word, 4) & mask != value >> shift & U32:
                return False
        return True

    return _either(direction, lambda: same(at + 8), lambda: same(at + 24))


def ethernet(view: View, address: int, direction: Direction | None) -> bool:
    """Whether the frame has an Ethernet address, compared from its end."""
    if view.bare is not None:
        return False

    def same(at: int) -> bool:
        if view.read(view.start + at + 2, 4) != address & U32:
            return False
        return view.read(view.start + at, 2) == address >> 32

    return _either(direction, lambda: same(6), lambda: same(0))


def broadcast(view: View, proto: Proto | None, netmask: int | None) -> bool:
    """Ethernet's broadcast address, or the IPv4 network's."""
    if proto is not Proto.IP:
        return ethernet(view, 0xFFFFFFFFFFFF, Direction.DST)
    assert netmask is not None
    host = ~netmask & U32
    if not carries(view, IPV4):
        return False
    return view.read(network_of(view) + 16, 4) & host in (0, host)


def multicast(view: View, proto: Proto | None) -> bool:
    """A group address as destination."""
    if proto is Proto.IP:
        return carries(view, IPV4) and view.read(network_of(view) + 16, 1) >= 224
    if proto is Proto.IP6:
        return carries(view, IPV6) and view.read(network_of(view) + 24, 1) == 255
    return view.bare is None and bool(view.read(view.start, 1) & 1)


# -- ports and protocols ---------------------------------------------------------------------------


def _port(view: View, node: Primitive) -> bool:
    ident, proto = node.ident, node.quals.proto
    if isinstance(ident, PortRange):
        low, high, proto = ident.low, ident.high, proto or ident.proto
    else:
        assert isinstance(ident, Number)
        low = high = ident.value
    found = ip_of(view)
    if found is None or found.protocol not in PORT_PROTOCOLS[proto] or not found.whole:
        return False
    at = found.transport
    return _either(
        node.quals.direction,
        lambda: low <= view.read(at, 2) <= high,
        lambda: low <= view.read(at + 2, 2) <= high,
    )


def _protocol(view: View, proto: Proto | None, number: int, *, chain: bool) -> bool:
    if proto is Proto.LINK:
        return carries(view, number)
    if proto is Proto.ISO:
        return _osi(view, number)
    if proto is Proto.ISIS:
        return _isis(view, (number,))
    version = {None: None, Proto.IP: 4, Proto.IP6: 6}[proto]
    return _ip_protocol(view, number, version, chain=chain)


def _ip_protocol(view: View, number: int, version: int | None, *, chain: bool = False) -> bool:
    actual = version_of(view)
    if actual is None or version not in (None, actual):
        return False
    if actual == 6 and (chain or number in EXTENSIONS):
        return chain_has(view, number)
    if chain:
        return ah_chain_has(view, number)
    found = ip_of(view)
    return found is not None and found.protocol == number


def keyword(view: View, proto: Proto) -> bool:
    """Whether a protocol keyword alone holds."""
    if proto in IP_WORDS:
        return _ip_protocol(view, *IP_WORDS[proto])
    if proto in OSI_WORDS:
        return _osi(view, OSI_WORDS[proto])
    if proto in ISIS_WORDS:
        return _isis(view, ISIS_WORDS[proto])
    return carries(view, LINK_WORDS[proto])


def _osi(view: View, number: int) -> bool:
    return carries(view, 0xFE) and view.read(_osi_header(view), 1) == number


def _isis(view: View, kinds: tuple[int, ...]) -> bool:
    return _osi(view, 0x83) and view.read(_osi_header(view) + 4, 1) in kinds


def _osi_header(view: View) -> int:
    return payload_of(view) + (3 if view.linktype is LinkType.EN10MB else 0)


# -- what is left ----------------------------------------------------------------------------------


def llc(view: View, kind: str) -> bool:
    """Whether the frame has an LLC header of a kind."""
    link = link_of(view)
    if link.type > 1500 or view.read(link.payload, 2) == 0xFFFF:
        return False
    if not kind:
        return True
    control, mask = LLC_CONTROLS[kind]
    return view.read(link.payload + 2, 1) & mask == control


def byte_test(view: View, node: ByteTest) -> bool:
    """Whether a byte of the link header compares so."""
    byte = view.read(view.start + node.offset, 1)
    return {
        "=": byte == node.value,
        "<": byte < node.value,
        ">": byte > node.value,
        "&": byte & node.value != 0,
        "|": byte | node.value != 0,
    }[node.op]


def direction(view: View) -> bool:
    """Whether the host sent the packet."""
    if view.linktype is LinkType.LINUX_SLL:
        return view.read(view.start, 2) == 4
    if view.linktype is LinkType.LINUX_SLL2:
        return view.read(view.start + 10, 1) == 4
    return view.outbound


def interface(view: View) -> int:
    """The interface's number."""
    return view.read(view.start + 4, 4) if view.linktype is LinkType.LINUX_SLL2 else view.ifindex


def _decnet(view: View, node: Primitive) -> bool:
    ident = node.ident
    assert isinstance(ident, IPv4)
    area, host = (int(part) for part in ident.text.split("."))
    number = area << 10 | host
    wire = (number & 0xFF) << 8 | number >> 8
    if not carries(view, 0x6003):
        return False
    at = network_of(view) + 2

    def short_destination() -> bool:
        word = view.read(at, 4)
        return (word >> 24 & 7 == 2 and word >> 8 & 0xFFFF == wire) or (
            word >> 24 == 0x81 and word >> 16 & 7 == 2 and word & 0xFFFF == wire
        )

    def flagged(form: int, offset: int) -> bool:
        if view.read(at, 1) & 7 == form and view.read(at + offset, 2) == wire:
            return True
        word = view.read(at, 2)
        if word >> 8 != 0x81 or word & 7 != form:
            return False
        return view.read(at + 1 + offset, 2) == wire

    return _either(
        node.quals.direction,
        lambda: flagged(2, 3) or flagged(6, 15),
        lambda: short_destination() or flagged(6, 7),
    )
