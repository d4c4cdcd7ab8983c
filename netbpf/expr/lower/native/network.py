"""Walk the network header: which protocol follows, where, and of which fragment.

Assigns, in its scope, `proto` (the final protocol number; NOT_IP where there is none), `l4` (where
it begins) and `frag` (whose bits under OFFSET are the fragment's offset), on every path that goes
on; `more` (not 0 where more fragments follow) when asked for. IPv6 extension headers are walked, up
to `EXTENSIONS` of them; what has more ends the program with "no match", since nobody can say what
follows. A later fragment ends the walk: its protocol is what the fragment header names.
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
from netbpf.ir.program import AluOp, Cmp, Copy, Label, Program, Reg, Verdict
from netbpf.proto.ethertype import EtherType
from netbpf.proto.ip import (
    IPV4_FRAGMENT,
    IPV4_LENGTH,
    IPV4_MORE_FRAGMENTS,
    IPV4_OFFSET_MASK,
    IPV4_PROTOCOL,
    IPV4_VERSION,
    IPV6_LENGTH,
    IPV6_NEXT,
    IpProtocol,
)

NOT_IP = 256
OFFSET = IPV4_OFFSET_MASK

ASKED = "network header asked for"
"""Marked in a scope (Builder.mark) on the paths on which something asked for a walk."""

EXTENSIONS = 8

EXTENSION_HEADERS = (
    IpProtocol.HOP_BY_HOP,
    IpProtocol.ROUTING,
    IpProtocol.FRAGMENT,
    IpProtocol.AH,
    IpProtocol.DESTINATION,
)
"""Headers that are skipped, ascending."""

_FRAGMENT_OFFSET = 0xFFF8  # mask of a fragment header's second half

_Arrive = Callable[[int, Reg | None], None]
"""Emitted where the walk ends at a step, in a later fragment with its offset; must jump away."""

_Sought = tuple[int, Label]
"""A protocol number, and where to go when it is met."""

_SKIPPED = tuple((int(number), int(number)) for number in EXTENSION_HEADERS)


def long_walks(program: Program) -> int:
    """Return how many walks over the extension headers of the outermost packet there are."""
    insns = (insn for block in program for insn in block.insns)
    return sum(isinstance(insn, Copy) and insn.dst == "proto.0" for insn in insns)


class NetworkWalk:
    """Emits the walks of one scope."""

    def __init__(self, layers: Layers, scope: Scope, span: Span, general: Label | None) -> None:
        self._layers = layers
        self._builder = layers.builder
        self._scope = scope
        self._span = span
        self._general = general  # where packets with options and extension headers go at once

    def whole(self, *, more: bool = False) -> None:
        """Assign the registers, whatever the packet."""
        names = self._names(more)
        if self._known(names):
            return
        builder = self._builder
        is4, not4, is6, neither, done = (builder.label() for _ in range(5))
        link_protocol_is(self._layers, EtherType.IPV4, self._span)(is4, not4)
        builder.place(not4)
        link_protocol_is(self._layers, EtherType.IPV6, self._span)(is6, neither)
        builder.place(is4)
        self.ipv4(more=more)
        builder.jump(done)
        builder.place(is6)
        self.ipv6(more=more)
        builder.jump(done)
        builder.place(neither)
        for name in names:
            builder.const(NOT_IP if name == "proto" else 0, self._scope.reg(name))
        builder.place(done)

    def ipv4(self, *, more: bool = False) -> None:
        """Assign the registers where the packet is known to be IPv4."""
        if self._known(self._names(more)):
            return
        builder, scope, load = self._builder, self._scope, self._layers.load
        network = self._layers.network()
        base, start = network.base, network.offset
        protocol = load(base, start + IPV4_PROTOCOL.offset, IPV4_PROTOCOL.width)
        builder.copy(scope.reg("proto"), protocol)
        flags = load(base, start + IPV4_FRAGMENT.offset, IPV4_FRAGMENT.width)
        builder.copy(scope.reg("frag"), flags)
        if more:
            builder.alu(AluOp.AND, flags, IPV4_MORE_FRAGMENTS, scope.reg("more"))
        words = builder.alu(AluOp.AND, load(base, start + IPV4_VERSION.offset, 1), 0x0F)
        if self._general is not None:
            plain = builder.label("plain")
            builder.branch(Cmp.EQ, words, IPV4_LENGTH // 4, plain, self._general)
            builder.place(plain)
        length = builder.alu(AluOp.LSH, words, 2)
        if base is not None:
            length = builder.alu(AluOp.ADD, length, base)
        assign_position(builder, scope.reg("l4"), Origin(length, start))

    def ipv6(self, *, more: bool = False) -> None:
        """Assign the registers where the packet is known to be IPv6."""
        if self._known(self._names(more)):
            return
        builder = self._builder
        done = builder.label("l4")

        def arrive(step: int, offset: Reg | None) -> None:
            for name in ("proto", "l4", "more") if more else ("proto", "l4"):
                builder.copy(self._scope.reg(name), self._at(step, name))
            if offset is None:
                builder.const(0, self._scope.reg("frag"))
            else:
                builder.copy(self._scope.reg("frag"), offset)
            builder.jump(done)

        self._chain(arrive, None, more=more)
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
        self._chain(lambda *_: builder.jump(missing), (number, hit))
        builder.place(hit)
        builder.const(1, found)
        builder.jump(done)
        builder.place(missing)
        builder.const(0, found)
        builder.place(done)
        return found

    def _names(self, more: bool) -> tuple[str, ...]:
        return ("proto", "l4", "frag", "more") if more else ("proto", "l4", "frag")

    def _known(self, names: tuple[str, ...]) -> bool:
        self._builder.mark(self._scope.reg(ASKED))
        return all(self._builder.assigned(self._scope.reg(name)) for name in names)

    # -- IPv6: at each step the protocol, and where its header begins ------------------------------

    def _at(self, step: int, name: str) -> Reg:
        return self._scope.reg(f"{name}.{step}")

    def _chain(self, arrive: _Arrive, sought: _Sought | None, *, more: bool = False) -> None:
        """Walk the chain; `arrive` is emitted where it ends.

        `sought` is a protocol number and where to jump when it is met.
        """
        builder = self._builder
        self._fixed_header(more)
        for step in range(EXTENSIONS + 1):
            self._seek(step, sought)
            extension, end = builder.label("ext"), builder.label("end")
            builder.member((self._at(step, "proto"),), _SKIPPED, extension, end)
            builder.place(end)
            arrive(step, None)
            builder.place(extension)
            if self._general is not None:
                builder.jump(self._general)
                return
            if step < EXTENSIONS:
                self._skip(step, arrive, sought, more)
        builder.ret(Verdict.NO_MATCH)

    def _seek(self, step: int, sought: _Sought | None) -> None:
        """Leave where a protocol number is the one that is sought."""
        if sought is not None:
            number, target = sought
            other = self._builder.label()
            self._builder.branch(Cmp.EQ, self._at(step, "proto"), number, target, other)
            self._builder.place(other)

    def _fixed_header(self, more: bool) -> None:
        network = self._layers.network()
        next_header = self._layers.load(network.base, network.offset + IPV6_NEXT.offset, 1)
        self._builder.copy(self._at(0, "proto"), next_header)
        end = Origin(network.base, network.offset + IPV6_LENGTH)
        assign_position(self._builder, self._at(0, "l4"), end)
        if more:
            self._builder.const(0, self._at(0, "more"))

    def _skip(self, step: int, arrive: _Arrive, sought: _Sought | None, more: bool) -> None:
        """Go on behind the header of `step`, an extension header; read its first four bytes."""
        builder, here, protocol = self._builder, self._at(step, "l4"), self._at(step, "proto")
        behind = self._at(step + 1, "l4")
        word = self._layers.load(here, 0, 4)
        builder.alu(AluOp.RSH, word, 24, self._at(step + 1, "proto"))
        fragment, other, done = builder.label("frag"), builder.label(), builder.label("next")
        builder.branch(Cmp.EQ, protocol, IpProtocol.FRAGMENT, fragment, other)
        builder.place(fragment)
        builder.alu(AluOp.ADD, here, 8, behind)
        if more:
            builder.alu(AluOp.AND, word, 1, self._at(step + 1, "more"))
        later = builder.label("later")
        builder.branch(Cmp.SET, word, _FRAGMENT_OFFSET, later, done)
        builder.place(later)
        self._seek(step + 1, sought)
        arrive(step + 1, builder.alu(AluOp.AND, builder.alu(AluOp.RSH, word, 3), OFFSET))
        builder.place(other)
        length = self._length(step, word)
        builder.alu(AluOp.ADD, builder.alu(AluOp.ADD, here, length), 8, behind)
        if more:
            builder.copy(self._at(step + 1, "more"), self._at(step, "more"))
        builder.place(done)

    def _length(self, step: int, word: Reg) -> Reg:
        """Return a header's length but for its first eight bytes: 8n, AH's 4n; n is byte 1."""
        builder, length = self._builder, self._at(step, "len")
        units = builder.alu(AluOp.AND, builder.alu(AluOp.RSH, word, 16), 0xFF)
        is_ah, other, done = (builder.label() for _ in range(3))
        builder.branch(Cmp.EQ, self._at(step, "proto"), IpProtocol.AH, is_ah, other)
        builder.place(is_ah)
        builder.alu(AluOp.LSH, units, 2, length)
        builder.jump(done)
        builder.place(other)
        builder.alu(AluOp.LSH, units, 3, length)
        builder.place(done)
        return length
