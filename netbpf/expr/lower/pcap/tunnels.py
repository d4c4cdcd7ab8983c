"""Tags and tunnels: `vlan`, `mpls`, `pppoed`, `pppoes`, `geneve`, `vxlan`.

Each tests for its header where the expression stands, then moves the offsets for all that follows
in the text (see layers). Sources: IEEE 802.1Q-2018, RFC 3032, 2516, 8926, 7348.
Depends on pcap.layers, pcap.ports, and common.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.errors import ExpressionError
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.linktypes import bottom_of_stack, link_protocol_is
from netbpf.expr.lower.common.sets import Range
from netbpf.expr.lower.common.tests import (
    check_most,
    constant,
    every,
    field_is,
    go_on,
    negated,
    refuse,
    some,
)
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.layers import PcapLayers
from netbpf.expr.lower.pcap.ports import port4, port6
from netbpf.expr.nodes import Direction, Tunnel, TunnelTest
from netbpf.ir.program import AluOp, Cmp, Label, Reg
from netbpf.proto.ethertype import TAG_TYPES, EtherType
from netbpf.proto.ip import IpProtocol
from netbpf.proto.linktype import LinkType
from netbpf.proto.ppp import PppProtocol

GENEVE_PORT = 6081
VXLAN_PORT = 4789

_VLAN_ID = 0x0FFF
_MPLS_LABEL = 0xFFFFF
_MPLS_SHIFT = 12
_PPPOE_SESSION = 2  # offset of the session number
_VNI = 0xFFFFFF
_VNI_SHIFT = 8

_UDP = 8  # bytes of a UDP header
_VNI_AT = 4  # offset of the VNI's word in both headers
_GENEVE_VERSION = 0xC0  # mask of the first byte; the version must be 0
_GENEVE_OPTIONS = 0x3F  # mask of the first byte; in words of 4 bytes
_GENEVE_PROTOCOL = 2  # offset of the EtherType
_VXLAN_FLAGS = 0x08  # the first byte: the VNI is valid, nothing else
_HEADER = 8  # bytes of either header, without options

_MOST_OVERLAYS = 5
"""How many times one expression may ask for Geneve or VXLAN: libpcap needs three of its machine's
16 registers for each, and never gives them back."""
_ETHERNET_TYPE = 12
_ETHERNET = 14


class Tunnels:
    """The tests for tags and tunnels of one program; names the registers that they assign."""

    def __init__(self) -> None:
        self.scratch: set[Reg] = set()
        self._count = 0

    def test(self, layers: PcapLayers, node: TunnelTest) -> Test:
        """Return a test. To be emitted at once: it moves the offsets when it has been."""
        if node.tunnel is Tunnel.VLAN:
            return _vlan(layers, node)
        if node.tunnel is Tunnel.MPLS:
            return _mpls(layers, node)
        if node.tunnel is Tunnel.PPPOED:
            return link_protocol_is(layers, EtherType.PPPOE_DISCOVERY, node.span)
        if node.tunnel is Tunnel.PPPOES:
            return _pppoe_session(layers, node)
        if node.tunnel in (Tunnel.GENEVE, Tunnel.VXLAN) and node.port is None:
            return self._overlay(layers, node)
        raise _extension(layers, node)

    def _overlay(self, layers: PcapLayers, node: TunnelTest) -> Test:
        """Geneve or VXLAN, in IPv4 or IPv6: the header's position, then those in the frame."""
        builder = layers.builder
        self._count += 1
        if self._count > _MOST_OVERLAYS:
            message = "too many registers needed to evaluate expression"
            raise refuse(layers, message, node.span)
        name = f"{node.tunnel.value}{self._count}"
        joins = [Reg(f"{name}.{part}") for part in ("link", "type", "payload")]
        self.scratch.update(joins)
        heading = _overlay_test(layers, node)

        def emit(yes: Label, no: Label) -> None:
            header, found = Reg(name), builder.label(name)
            in_ipv6 = builder.label()
            go_on(builder, heading(port4, layers.transport4), in_ipv6)
            _assign(layers, header, _behind_udp(layers.transport4()))
            builder.jump(found)
            builder.place(in_ipv6)
            go_on(builder, heading(port6, layers.transport6), no)
            _assign(layers, header, _behind_udp(layers.transport6()))
            builder.place(found)
            enter = _enter_geneve if node.tunnel is Tunnel.GENEVE else _enter_vxlan
            enter(layers, header, *joins)
            builder.jump(yes)
            layers.enter_ethernet(*joins)

        return emit


def _vlan(layers: PcapLayers, node: TunnelTest) -> Test:
    if layers.labels:
        raise refuse(layers, "no VLAN match after MPLS", node.span)
    if layers.linktype is not LinkType.EN10MB:
        raise not_on_linktype(layers, "vlan", node.span)
    builder = layers.builder
    tag = some(builder, *(link_protocol_is(layers, tpid, node.span) for tpid in TAG_TYPES))
    if set(layers.protocol_choices() or (0,)) <= set(TAG_TYPES):
        tag = constant(builder, True)  # the hook holds the tag
    if node.ident is not None:
        check_most(layers, "VLAN tag", node.ident, _VLAN_ID, node.span)
        tag = every(builder, tag, field_is(layers, layers.network, 0, 2, node.ident, _VLAN_ID))
    return _then(tag, layers.enter_vlan)


def _mpls(layers: PcapLayers, node: TunnelTest) -> Test:
    builder = layers.builder
    if layers.labels:
        label = negated(bottom_of_stack(layers))
    elif layers.linktype is LinkType.EN10MB:
        label = link_protocol_is(layers, EtherType.MPLS, node.span)
    elif layers.linktype is LinkType.PPP:
        label = link_protocol_is(layers, PppProtocol.MPLS, node.span)
    else:
        raise not_on_linktype(layers, "mpls", node.span)
    if node.ident is not None:
        check_most(layers, "MPLS label", node.ident, _MPLS_LABEL, node.span)
        value, mask = node.ident << _MPLS_SHIFT, _MPLS_LABEL << _MPLS_SHIFT
        label = every(builder, label, field_is(layers, layers.network, 0, 4, value, mask))
    return _then(label, layers.enter_mpls)


def _pppoe_session(layers: PcapLayers, node: TunnelTest) -> Test:
    session = link_protocol_is(layers, EtherType.PPPOE_SESSION, node.span)
    if node.ident is not None:
        check_most(layers, "PPPoE session number", node.ident, 0xFFFF, node.span)
        number = field_is(layers, layers.network, _PPPOE_SESSION, 2, node.ident)
        session = every(layers.builder, session, number)
    return _then(session, layers.enter_pppoe)


def _then(test: Test, enter: Callable[[], None]) -> Test:
    """Return the test, with the offsets moved once it is emitted."""

    def emit(yes: Label, no: Label) -> None:
        test(yes, no)
        enter()

    return emit


# -- Geneve and VXLAN ------------------------------------------------------------------------------

_Transport = Callable[[], Origin]
_Port = Callable[..., Test]


def _overlay_test(layers: PcapLayers, node: TunnelTest) -> Callable[[_Port, _Transport], Test]:
    """Return what makes the test for the header behind UDP, given the version of IP."""
    geneve = node.tunnel is Tunnel.GENEVE
    if node.ident is not None:
        check_most(layers, "Geneve VNI" if geneve else "VXLAN VNI", node.ident, _VNI, node.span)

    def make(port: _Port, transport: _Transport) -> Test:
        number = GENEVE_PORT if geneve else VXLAN_PORT
        value, mask = (0, _GENEVE_VERSION) if geneve else (_VXLAN_FLAGS, 0xFF)
        tests = [
            port(layers, [Range(number, number)], (IpProtocol.UDP,), Direction.DST, node.span),
            field_is(layers, transport, _UDP, 1, value, mask),
        ]
        if node.ident is not None:
            value, mask = node.ident << _VNI_SHIFT, _VNI << _VNI_SHIFT
            tests.append(field_is(layers, transport, _UDP + _VNI_AT, 4, value, mask))
        return every(layers.builder, *tests)

    return make


def _behind_udp(transport: Origin) -> Origin:
    return Origin(transport.base, transport.offset + _UDP)


def _assign(layers: PcapLayers, join: Reg, place: Origin) -> None:
    """Assign a position to a join."""
    if place.base is None:
        layers.builder.const(place.offset, join)
    else:
        sum_ = layers.builder.alu(AluOp.ADD, place.base, place.offset)
        layers.builder.copy(join, sum_)


def _enter_geneve(layers: PcapLayers, header: Reg, link: Reg, type_at: Reg, payload: Reg) -> None:
    """Skip the options; then comes an Ethernet frame, or else what the EtherType names."""
    builder = layers.builder
    first = layers.load(header, 0, 1)
    words = builder.alu(AluOp.AND, first, _GENEVE_OPTIONS)
    options = builder.alu(AluOp.LSH, words, 2)
    end = builder.alu(AluOp.ADD, builder.alu(AluOp.ADD, options, header), _HEADER)
    builder.copy(link, end)
    kind = layers.load(header, _GENEVE_PROTOCOL, 2)
    framed, bare, done = builder.label(), builder.label(), builder.label()
    builder.branch(Cmp.EQ, kind, EtherType.TEB, framed, bare)
    builder.place(framed)
    builder.copy(type_at, builder.alu(AluOp.ADD, end, _ETHERNET_TYPE))
    builder.copy(payload, builder.alu(AluOp.ADD, end, _ETHERNET))
    builder.jump(done)
    builder.place(bare)
    builder.copy(type_at, builder.alu(AluOp.ADD, header, _GENEVE_PROTOCOL))
    builder.copy(payload, end)
    builder.place(done)


def _enter_vxlan(layers: PcapLayers, header: Reg, link: Reg, type_at: Reg, payload: Reg) -> None:
    """An Ethernet frame follows."""
    builder = layers.builder
    builder.copy(link, builder.alu(AluOp.ADD, header, _HEADER))
    builder.copy(type_at, builder.alu(AluOp.ADD, header, _HEADER + _ETHERNET_TYPE))
    builder.copy(payload, builder.alu(AluOp.ADD, header, _HEADER + _ETHERNET))


def _extension(layers: PcapLayers, node: TunnelTest) -> ExpressionError:
    word = node.tunnel.value + ("" if node.port is None else " port")
    return refuse(layers, f"'{word}' is not part of pcap-filter", node.span)
