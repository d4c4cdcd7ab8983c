"""`protochain`: is a protocol somewhere in the chain of headers.

libpcap walks hop-by-hop, destination, routing, fragment and authentication headers in a loop, which
ends where the chain does or the packet. The IR has no loops: the walk is unrolled to `HEADERS`
headers, and a packet with more of them is taken for one that ends within them: the whole expression
does not match. An IPv6 header has eight bytes at least, so that only packets made for the purpose
have so many.

As in libpcap the header behind an AH is looked for at the AH's length from the start of the
network header, not of the AH; a packet can lead libpcap in circles with it for ever.
Sources: RFC 8200, 4302.
Depends on pcap.layers and common.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import check_most, every, refuse
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.pcap.layers import PcapLayers
from netbpf.ir.program import AluOp, Cmp, Label, Reg, Verdict
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import IPV4_PROTOCOL, IPV6_LENGTH, IPV6_NEXT, IpProtocol

HEADERS = 32
"""How many headers are walked, the one of IP not counted."""

_EXTENSIONS = (
    IpProtocol.HOP_BY_HOP,
    IpProtocol.DESTINATION,
    IpProtocol.ROUTING,
    IpProtocol.FRAGMENT,
)


def protochain4(layers: PcapLayers, number: int, span: Span) -> Test:
    """Return the test for a protocol behind IPv4 and its AH headers."""
    _check(layers, number, span)

    def emit(yes: Label, no: Label) -> None:
        network = layers.network()
        first = layers.load(None, network.offset + IPV4_PROTOCOL.offset, IPV4_PROTOCOL.width)
        length = layers.transport4().base
        assert length is not None
        _Walk(layers, number, f"chain4.{number}", ()).emit(first, length, yes, no)

    return every(layers.builder, link_protocol_is(layers, EtherType.IPV4, span), emit)


def protochain6(layers: PcapLayers, number: int, span: Span) -> Test:
    """Return the test for a protocol behind IPv6 and its extension headers."""
    _check(layers, number, span)

    def emit(yes: Label, no: Label) -> None:
        network = layers.network()
        first = layers.load(None, network.offset + IPV6_NEXT.offset, IPV6_NEXT.width)
        length = layers.builder.const(IPV6_LENGTH)
        _Walk(layers, number, f"chain6.{number}", _EXTENSIONS).emit(first, length, yes, no)

    return every(layers.builder, link_protocol_is(layers, EtherType.IPV6, span), emit)


def _check(layers: PcapLayers, number: int, span: Span) -> None:
    check_most(layers, "protocol number", number, 0xFF, span)
    if layers.movable:
        raise refuse(layers, "'protochain' not supported with variable length headers", span)


class _Walk:
    """The unrolled walk; positions are counted from the start of the network header."""

    def __init__(
        self, layers: PcapLayers, number: int, name: str, extensions: tuple[int, ...]
    ) -> None:
        self._layers = layers
        self._builder = layers.builder
        self._number = number
        self._name = f"{name}@{layers.network().offset}"
        self._extensions = extensions

    def emit(self, protocol: Reg, at: Reg, yes: Label, no: Label) -> None:
        """Walk on from a header at `at` of the given protocol."""
        if not self._builder.reachable:
            return
        for step in range(HEADERS):
            self._ask(protocol, yes, no)
            protocol, at = self._skip(protocol, at, step, no)
        self._ask(protocol, yes, no)
        beyond = self._builder.label("chain")
        for value in (*self._extensions, IpProtocol.AH):
            other = self._builder.label("chain")
            self._builder.branch(Cmp.EQ, protocol, value, beyond, other)
            self._builder.place(other)
        self._builder.jump(no)
        self._builder.place(beyond)
        self._builder.ret(Verdict.NO_MATCH)

    def _ask(self, protocol: Reg, yes: Label, no: Label) -> None:
        """Leave where the protocol is the one, or is none; else go on."""
        for value, target in ((self._number, yes), (IpProtocol.NO_NEXT, no)):
            other = self._builder.label("chain")
            self._builder.branch(Cmp.EQ, protocol, value, target, other)
            self._builder.place(other)

    def _skip(self, protocol: Reg, at: Reg, step: int, no: Label) -> tuple[Reg, Reg]:
        """Skip one header: return the next one's protocol and position."""
        builder = self._builder
        next_protocol = Reg(f"{self._name}.{step}.next")
        next_at = Reg(f"{self._name}.{step}.at")
        extension, is_ah, done = builder.label("ext"), builder.label("ah"), builder.label("chain")
        for value in self._extensions:
            other = builder.label("chain")
            builder.branch(Cmp.EQ, protocol, value, extension, other)
            builder.place(other)
        builder.branch(Cmp.EQ, protocol, IpProtocol.AH, is_ah, no)
        if self._extensions:
            builder.place(extension)
            self._load_next(at, next_protocol)
            units = builder.alu(AluOp.ADD, self._length_byte(at), 1)
            size = builder.alu(AluOp.LSH, units, 3)
            builder.copy(next_at, builder.alu(AluOp.ADD, at, size))
            builder.jump(done)
        builder.place(is_ah)
        self._load_next(at, next_protocol)
        words = builder.alu(AluOp.ADD, self._length_byte(at), 2)
        builder.copy(next_at, builder.alu(AluOp.LSH, words, 2))
        builder.place(done)
        return next_protocol, next_at

    def _load_next(self, at: Reg, join: Reg) -> None:
        offset = self._layers.network().offset
        self._builder.copy(join, self._layers.load(at, offset, 1))

    def _length_byte(self, at: Reg) -> Reg:
        return self._layers.load(at, self._layers.network().offset + 1, 1)
