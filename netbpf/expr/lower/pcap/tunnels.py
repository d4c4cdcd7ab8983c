"""Tags and tunnels: `vlan`, `mpls`, `pppoed`, `pppoes`, `geneve`, `vxlan`.

Each tests for its header where the expression stands, then moves the offsets for all that follows
in the text (see layers). Sources: IEEE 802.1Q-2018, RFC 3032, 2516, 8926, 7348.
Depends on pcap.layers, pcap.ports, and common.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.errors import ExpressionError
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.labels import mpls_label, pppoe_discovery, pppoe_session
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.sets import Range
from netbpf.expr.lower.common.tests import (
    check_most,
    constant,
    every,
    field_is,
    go_on,
    refuse,
    some,
)
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.layers import PcapLayers
from netbpf.expr.lower.pcap.ports import port4, port6
from netbpf.expr.nodes import Direction, Tunnel, TunnelTest
from netbpf.ir.program import AluOp, Cmp, Label, Reg
from netbpf.proto import tunnel as facts
from netbpf.proto.ethertype import TAG_TYPES, EtherType
from netbpf.proto.ip import IpProtocol
from netbpf.proto.linkheader import LINK_HEADERS
from netbpf.proto.linktype import LinkType

_MOST_OVERLAYS = 5
"""How many times one expression may ask for Geneve or VXLAN: libpcap needs three of its machine's
16 registers for each, and never gives them back."""

_FRAME = LINK_HEADERS[LinkType.EN10MB]
_TYPE_AT, _ETHERNET = _FRAME.type_at or 0, _FRAME.length


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
            return _then(mpls_label(layers, node), layers.enter_mpls)
        if node.tunnel is Tunnel.PPPOED:
            return pppoe_discovery(layers, node)
        if node.tunnel is Tunnel.PPPOES:
            return _then(pppoe_session(layers, node), layers.enter_pppoe)
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
        check_most(layers, "VLAN tag", node.ident, facts.VLAN_ID, node.span)
        tag = every(builder, tag, field_is(layers, layers.network, 0, 2, node.ident, facts.VLAN_ID))
    return _then(tag, layers.enter_vlan)


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
        check_most(
            layers, "Geneve VNI" if geneve else "VXLAN VNI", node.ident, facts.VNI_MOST, node.span
        )

    def make(port: _Port, transport: _Transport) -> Test:
        number = facts.GENEVE_PORT if geneve else facts.VXLAN_PORT
        value, mask = (0, facts.GENEVE_VERSION) if geneve else (facts.VXLAN_FLAGS, 0xFF)
        tests = [
            port(layers, [Range(number, number)], (IpProtocol.UDP,), Direction.DST, node.span),
            field_is(layers, transport, facts.UDP_LENGTH, 1, value, mask),
        ]
        if node.ident is not None:
            value, mask = node.ident << facts.VNI_SHIFT, facts.VNI_MOST << facts.VNI_SHIFT
            tests.append(
                field_is(layers, transport, facts.UDP_LENGTH + facts.VNI_OFFSET, 4, value, mask)
            )
        return every(layers.builder, *tests)

    return make


def _behind_udp(transport: Origin) -> Origin:
    return Origin(transport.base, transport.offset + facts.UDP_LENGTH)


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
    words = builder.alu(AluOp.AND, first, facts.GENEVE_OPTIONS)
    options = builder.alu(AluOp.LSH, words, 2)
    end = builder.alu(AluOp.ADD, builder.alu(AluOp.ADD, options, header), facts.GENEVE_LENGTH)
    builder.copy(link, end)
    kind = layers.load(header, facts.GENEVE_PROTOCOL, 2)
    framed, bare, done = builder.label(), builder.label(), builder.label()
    builder.branch(Cmp.EQ, kind, EtherType.TEB, framed, bare)
    builder.place(framed)
    builder.copy(type_at, builder.alu(AluOp.ADD, end, _TYPE_AT))
    builder.copy(payload, builder.alu(AluOp.ADD, end, _ETHERNET))
    builder.jump(done)
    builder.place(bare)
    builder.copy(type_at, builder.alu(AluOp.ADD, header, facts.GENEVE_PROTOCOL))
    builder.copy(payload, end)
    builder.place(done)


def _enter_vxlan(layers: PcapLayers, header: Reg, link: Reg, type_at: Reg, payload: Reg) -> None:
    """An Ethernet frame follows."""
    builder = layers.builder
    builder.copy(link, builder.alu(AluOp.ADD, header, facts.VXLAN_LENGTH))
    builder.copy(type_at, builder.alu(AluOp.ADD, header, facts.VXLAN_LENGTH + _TYPE_AT))
    builder.copy(payload, builder.alu(AluOp.ADD, header, facts.VXLAN_LENGTH + _ETHERNET))


def _extension(layers: PcapLayers, node: TunnelTest) -> ExpressionError:
    word = node.tunnel.value + ("" if node.port is None else " port")
    return refuse(layers, f"'{word}' is not part of pcap-filter", node.span)
