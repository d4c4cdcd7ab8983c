"""Programs that compute what packets are counted by (`--by`).

A key is one or more 32-bit words, the registers `key.0`, `key.1`, …:

    port, sport, proto   the number; ports of first fragments of TCP, UDP and SCTP only
    src, dst             4 or 6, then the address in four words, the most significant first;
                         IPv4 has its address in the first of them and 0 in the others
    flow                 version << 8 | protocol, source port << 16 | destination port (0 where
                         there are none), source and destination address as above, without 4 or 6

A packet without such a key (not IP; cut off before it) is no match. Headers are found as by the
default dialect, of the outermost packet; as in filters, plain packets have versions of their own.
Depends on native.stack, native.plain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netbpf.expr.environment import Environment
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import every, go_on
from netbpf.expr.lower.layers import Test
from netbpf.expr.lower.native.network import NOT_IP
from netbpf.expr.lower.native.plain import COMMON, plain_packets
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.ir.builder import Builder
from netbpf.ir.program import AluOp, Cmp, Program, Reg, Verdict
from netbpf.proto.ethertype import EtherType
from netbpf.proto.field import Field
from netbpf.proto.ip import (
    DESTINATION_PORT,
    IPV4_DST,
    IPV4_SRC,
    IPV6_DST,
    IPV6_SRC,
    SOURCE_PORT,
    WITH_PORTS,
)
from netbpf.proto.linktype import LinkType
from netbpf.spec import Key

_WORDS = 4  # of an address
_LENGTHS = {
    Key.PORT: 1,
    Key.SPORT: 1,
    Key.PROTO: 1,
    Key.SRC: 1 + _WORDS,
    Key.DST: 1 + _WORDS,
    Key.FLOW: 2 + 2 * _WORDS,
}
"""The 32-bit words of a key."""


def lower_key(key: Key, env: Environment) -> Program:
    """Lower a key; its registers are the program's outputs where it returns MATCH."""
    return _KeyLowering(env).lower(key)


class _KeyLowering:
    """One program."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._builder = Builder(env.text, reuse=env.reuse)
        self._stack = NativeStack(env, self._builder)
        self._none = self._builder.label("none")

    def lower(self, key: Key) -> Program:
        """Emit the key's versions."""
        builder, found = self._builder, self._builder.label("found")
        for _ in self._versions():
            self._assign(key)
            builder.jump(found)
        builder.place(found)
        builder.ret(Verdict.MATCH)
        builder.place(self._none)
        builder.ret(Verdict.NO_MATCH)
        return builder.finish(tuple(_word(index) for index in range(_LENGTHS[key])))

    def _versions(self) -> Iterator[int | None]:
        """Emit the way into each version. All keys read the EtherType first."""
        if self._env.roomy and self._env.linktype is LinkType.EN10MB:
            yield from plain_packets(self._stack, COMMON)
        yield None

    def _assign(self, key: Key) -> None:
        if key is Key.PORT:
            self._port(DESTINATION_PORT)
        elif key is Key.SPORT:
            self._port(SOURCE_PORT)
        elif key is Key.PROTO:
            self._builder.copy(_word(0), self._protocol())
        elif key is Key.FLOW:
            self._flow()
        else:
            self._address(source=key is Key.SRC)

    def _port(self, field: Field) -> None:
        self._require(self._stack.protocol_in(WITH_PORTS))
        self._require(self._stack.not_later())
        self._builder.copy(_word(0), self._transport(field.offset, field.width))

    def _address(self, *, source: bool) -> None:
        """Assign the version and one address."""
        builder = self._builder

        def ipv4() -> None:
            builder.const(4, _word(0))
            self._ipv4(IPV4_SRC if source else IPV4_DST, 1)

        def ipv6() -> None:
            builder.const(6, _word(0))
            self._ipv6(IPV6_SRC if source else IPV6_DST, 1)

        self._by_version(ipv4, ipv6)

    def _flow(self) -> None:
        """Assign the protocol, both ports, both addresses."""
        builder = self._builder
        protocol = self._protocol()
        self._ports(_word(1))

        def ipv4() -> None:
            builder.alu(AluOp.OR, protocol, 4 << 8, _word(0))
            self._ipv4(IPV4_SRC, 2)
            self._ipv4(IPV4_DST, 2 + _WORDS)

        def ipv6() -> None:
            builder.alu(AluOp.OR, protocol, 6 << 8, _word(0))
            self._ipv6(IPV6_SRC, 2)
            self._ipv6(IPV6_DST, 2 + _WORDS)

        self._by_version(ipv4, ipv6)

    # -- the pieces --------------------------------------------------------------------------------

    def _require(self, test: Test) -> None:
        go_on(self._builder, test, self._none)

    def _protocol(self) -> Reg:
        """Go on where the packet is IP; return its protocol."""
        self._stack.network_header().whole()
        protocol, is_ip = self._stack.scope.reg("proto"), self._builder.label()
        self._builder.branch(Cmp.EQ, protocol, NOT_IP, self._none, is_ip)
        self._builder.place(is_ip)
        return protocol

    def _ports(self, join: Reg) -> None:
        """Assign both ports, 0 where the packet has none."""
        builder = self._builder
        ports, portless, done = builder.label(), builder.label(), builder.label()
        has_ports = every(builder, self._stack.protocol_in(WITH_PORTS), self._stack.not_later())
        has_ports(ports, portless)
        builder.place(ports)
        builder.copy(join, self._transport(SOURCE_PORT.offset, 4))
        builder.jump(done)
        builder.place(portless)
        builder.const(0, join)
        builder.place(done)

    def _transport(self, offset: int, width: int) -> Reg:
        origin = self._stack.transport()
        return self._stack.load(origin.base, origin.offset + offset, width)

    def _by_version(self, ipv4: Callable[[], None], ipv6: Callable[[], None]) -> None:
        """Assign the words of an IPv4 packet, or those of an IPv6 packet."""
        builder, span = self._builder, self._stack.span
        is4, not4, is6, done = (builder.label() for _ in range(4))
        link_protocol_is(self._stack, EtherType.IPV4, span)(is4, not4)
        builder.place(not4)
        link_protocol_is(self._stack, EtherType.IPV6, span)(is6, self._none)
        builder.place(is4)
        ipv4()
        builder.jump(done)
        builder.place(is6)
        ipv6()
        builder.place(done)

    def _ipv4(self, field: Field, first: int) -> None:
        """Assign an IPv4 address to four words."""
        network = self._stack.network()
        address = self._stack.load(network.base, network.offset + field.offset, field.width)
        self._builder.copy(_word(first), address)
        for word in range(1, _WORDS):
            self._builder.const(0, _word(first + word))

    def _ipv6(self, offset: int, first: int) -> None:
        """Assign an IPv6 address to four words."""
        network = self._stack.network()
        for word in range(_WORDS):
            part = self._stack.load(network.base, network.offset + offset + 4 * word, 4)
            self._builder.copy(_word(first + word), part)


def _word(index: int) -> Reg:
    return Reg(f"key.{index}")
