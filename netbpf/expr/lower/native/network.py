"""Walk the network header: which protocol follows, where, and of which fragment.

Assigns, in its scope, `proto` (the final protocol number; NOT_IP where there is none), `l4` (where
it begins) and `frag` (13 bits of fragment offset, and MORE where more fragments follow), on every
path that goes on. IPv6 extension headers are walked, up to `EXTENSIONS` of them; what has more ends
the program with "no match", since nobody can say what follows. A later fragment ends the walk: its
protocol is what the fragment header names.
Sources: RFC 791, 8200, 4302 (AH). Depends on native.scope, native.link, common.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.errors import Span
from netbpf.expr.lower.arith import Origin
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.layers import Layers
from netbpf.expr.lower.native.link import assign_position
from netbpf.expr.lower.native.scope import Scope
from netbpf.ir.program import AluOp, Cmp, Label, Reg, Verdict
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import (
    IPV4_FRAGMENT,
    IPV4_MORE_FRAGMENTS,
    IPV4_OFFSET_MASK,
    IPV4_PROTOCOL,
    IPV4_VERSION,
    IPV6_LENGTH,
    IPV6_NEXT,
    IpProtocol,
)

NOT_IP = 256
MORE = IPV4_MORE_FRAGMENTS
OFFSET = IPV4_OFFSET_MASK

EXTENSIONS = 8

EXTENSION_HEADERS = (
    IpProtocol.HOP_BY_HOP,
    IpProtocol.ROUTING,
    IpProtocol.FRAGMENT,
    IpProtocol.AH,
    IpProtocol.DESTINATION,
)
"""Headers that are skipped, ascending."""

_SKIPPED = tuple((int(number), int(number)) for number in EXTENSION_HEADERS)


class NetworkWalk:
    """Emits the walks of one scope."""

    def __init__(self, layers: Layers, scope: Scope, span: Span) -> None:
        self._layers = layers
        self._builder = layers.builder
        self._scope = scope
        self._span = span

    def whole(self) -> None:
        """Assign the registers, whatever the packet."""
        if self._known():
            return
        builder = self._builder
        is4, not4, is6, neither, done = (builder.label() for _ in range(5))
        link_protocol_is(self._layers, EtherType.IPV4, self._span)(is4, not4)
        builder.place(not4)
        link_protocol_is(self._layers, EtherType.IPV6, self._span)(is6, neither)
        builder.place(is4)
        self.ipv4()
        builder.jump(done)
        builder.place(is6)
        self.ipv6()
        builder.jump(done)
        builder.place(neither)
        builder.const(NOT_IP, self._scope.reg("proto"))
        builder.const(0, self._scope.reg("l4"))
        builder.const(0, self._scope.reg("frag"))
        builder.place(done)

    def ipv4(self) -> None:
        """Assign the registers where the packet is known to be IPv4."""
        if self._known():
            return
        builder, scope, load = self._builder, self._scope, self._layers.load
        network = self._layers.network()
        base, start = network.base, network.offset
        protocol = load(base, start + IPV4_PROTOCOL.offset, IPV4_PROTOCOL.width)
        builder.copy(scope.reg("proto"), protocol)
        flags = load(base, start + IPV4_FRAGMENT.offset, IPV4_FRAGMENT.width)
        builder.alu(AluOp.AND, flags, MORE | OFFSET, scope.reg("frag"))
        words = builder.alu(AluOp.AND, load(base, start + IPV4_VERSION.offset, 1), 0x0F)
        length = builder.alu(AluOp.LSH, words, 2)
        if base is not None:
            length = builder.alu(AluOp.ADD, length, base)
        assign_position(builder, scope.reg("l4"), Origin(length, start))

    def ipv6(self) -> None:
        """Assign the registers where the packet is known to be IPv6."""
        if self._known():
            return
        builder = self._builder
        done = builder.label("l4")

        def arrive(step: int) -> None:
            for name in ("proto", "l4", "frag"):
                self._builder.copy(self._scope.reg(name), self._at(step, name))
            self._builder.jump(done)

        self._chain(arrive, None)
        builder.place(done)

    def in_chain(self, number: int) -> Reg:
        """Return a register that is 1 where an IPv6 packet has such an extension header, else 0.

        The walk ends where it finds one. A later fragment whose next header it is counts.
        """
        found = self._scope.reg(f"ext{number}")
        builder = self._builder
        if builder.assigned(found):
            return found
        is6, hit, missing, done = (builder.label() for _ in range(4))
        link_protocol_is(self._layers, EtherType.IPV6, self._span)(is6, missing)
        builder.place(is6)
        self._chain(lambda _: builder.jump(missing), (number, hit))
        builder.place(hit)
        builder.const(1, found)
        builder.jump(done)
        builder.place(missing)
        builder.const(0, found)
        builder.place(done)
        return found

    def _known(self) -> bool:
        return all(
            self._builder.assigned(self._scope.reg(name)) for name in ("proto", "l4", "frag")
        )

    # -- IPv6: at each step the protocol, where its header begins, and the fragment so far ---------

    def _at(self, step: int, name: str) -> Reg:
        return self._scope.reg(f"{name}.{step}")

    def _chain(self, arrive: Callable[[int], None], sought: tuple[int, Label] | None) -> None:
        """Walk the chain; `arrive` is emitted where it ends, and must jump away.

        `sought` is a protocol number and where to jump when it is met.
        """
        builder = self._builder
        self._fixed_header()
        for step in range(EXTENSIONS + 1):
            protocol = self._at(step, "proto")
            if sought is not None:
                number, target = sought
                other = builder.label()
                builder.branch(Cmp.EQ, protocol, number, target, other)
                builder.place(other)
            extension, end = builder.label("ext"), builder.label("end")
            builder.member((protocol,), _SKIPPED, extension, end)
            builder.place(end)
            arrive(step)
            builder.place(extension)
            if step == EXTENSIONS:
                builder.ret(Verdict.NO_MATCH)
            else:
                self._skip(step, arrive, sought)

    def _fixed_header(self) -> None:
        network = self._layers.network()
        next_header = self._layers.load(network.base, network.offset + IPV6_NEXT.offset, 1)
        self._builder.copy(self._at(0, "proto"), next_header)
        end = Origin(network.base, network.offset + IPV6_LENGTH)
        assign_position(self._builder, self._at(0, "l4"), end)
        self._builder.const(0, self._at(0, "frag"))

    def _skip(
        self, step: int, arrive: Callable[[int], None], sought: tuple[int, Label] | None
    ) -> None:
        """Go on behind the header of `step`, which is an extension header."""
        builder = self._builder
        protocol = self._at(step, "proto")
        fragment, whole, is_ah, other, done = (builder.label() for _ in range(5))
        builder.branch(Cmp.EQ, protocol, IpProtocol.FRAGMENT, fragment, whole)
        builder.place(whole)
        builder.branch(Cmp.EQ, protocol, IpProtocol.AH, is_ah, other)
        builder.place(is_ah)
        self._behind_length(step, plus=2, shift=2)
        builder.jump(done)
        builder.place(other)
        self._behind_length(step, plus=1, shift=3)
        builder.jump(done)
        builder.place(fragment)
        self._behind_fragment(step, arrive, sought)
        builder.place(done)

    def _behind_length(self, step: int, *, plus: int, shift: int) -> None:
        """Skip a header whose second byte is its length: (n + plus) << shift bytes."""
        builder, here = self._builder, self._at(step, "l4")
        word = self._layers.load(here, 0, 2)
        builder.alu(AluOp.RSH, word, 8, self._at(step + 1, "proto"))
        units = builder.alu(AluOp.ADD, builder.alu(AluOp.AND, word, 0xFF), plus)
        length = builder.alu(AluOp.LSH, units, shift)
        builder.alu(AluOp.ADD, here, length, self._at(step + 1, "l4"))
        builder.copy(self._at(step + 1, "frag"), self._at(step, "frag"))

    def _behind_fragment(
        self, step: int, arrive: Callable[[int], None], sought: tuple[int, Label] | None
    ) -> None:
        """Skip a fragment header, unless it is that of a later fragment."""
        builder, here = self._builder, self._at(step, "l4")
        word = self._layers.load(here, 0, 4)
        following = builder.alu(AluOp.RSH, word, 24, self._at(step + 1, "proto"))
        builder.alu(AluOp.ADD, here, 8, self._at(step + 1, "l4"))
        offset = builder.alu(AluOp.AND, builder.alu(AluOp.RSH, word, 3), OFFSET)
        more = builder.alu(AluOp.LSH, builder.alu(AluOp.AND, word, 1), 13)
        builder.alu(AluOp.OR, offset, more, self._at(step + 1, "frag"))
        later, first = builder.label("later"), builder.label("first")
        builder.branch(Cmp.EQ, offset, 0, first, later)
        builder.place(later)
        if sought is not None:
            number, target = sought
            other = builder.label()
            builder.branch(Cmp.EQ, following, number, target, other)
            builder.place(other)
        arrive(step + 1)
        builder.place(first)
