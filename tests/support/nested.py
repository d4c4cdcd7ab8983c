"""Random frames of nested headers: tags, extension headers, fragments, tunnels in tunnels.

Written out by hand, header by header, from the same small pools of addresses and ports as random
expressions (tests.support.exprgen). Checksums are zero: nothing here looks at them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from ipaddress import ip_address

from netbpf.proto.linktype import LinkType
from tests.support.exprgen import HOSTS4, HOSTS6, MACS, PORTS

TAG_TYPES = (0x8100, 0x8100, 0x88A8, 0x9100)
VIDS = (0, 10, 20, 100, 0x2064, 0xE000)
DEEPEST = 3


def nested_frame(
    rng: random.Random, linktype: LinkType = LinkType.EN10MB, *, tunnels: bool = False
) -> bytes:
    """Return a frame of the link type, mostly well-formed; with `tunnels` full of them."""
    return _Frames(rng, tunnels).frame(linktype)


def _number(value: int, width: int = 2) -> bytes:
    return value.to_bytes(width, "big")


class _Frames:
    """Each method returns the bytes of a header and of everything in it."""

    def __init__(self, rng: random.Random, tunnels: bool) -> None:
        self._rng = rng
        self._tunnels = tunnels
        self._depth = 0

    def frame(self, linktype: LinkType) -> bytes:
        """A frame, from its link header on."""
        rng = self._rng
        if linktype is LinkType.EN10MB:
            return self._ethernet()
        if linktype is LinkType.LINUX_SLL:
            return bytes((0, rng.choice((0, 4)))) + bytes(12) + self._typed()
        if linktype is LinkType.LINUX_SLL2:
            kind, rest = self._split(self._typed())
            return kind + bytes(5) + _number(rng.randrange(4)) + bytes(3) + b"\4" + bytes(7) + rest
        version = 4 if linktype is LinkType.IPV4 else 6
        if linktype not in (LinkType.IPV4, LinkType.IPV6):
            version = rng.choice((4, 6))
        packet = self._ip(version)
        if linktype is LinkType.PPP:
            return b"\xff\x03" + _number(0x21 if version == 4 else 0x57) + packet
        if linktype in (LinkType.NULL, LinkType.LOOP):
            family = 2 if version == 4 else rng.choice((24, 28, 30))
            order = "big" if linktype is LinkType.LOOP or rng.random() < 0.5 else "little"
            return family.to_bytes(4, order) + packet  # type: ignore[arg-type]  # a literal
        return packet

    def _split(self, typed: bytes) -> tuple[bytes, bytes]:
        return typed[:2], typed[2:]

    def _ethernet(self) -> bytes:
        macs = [bytes.fromhex(self._rng.choice(MACS).replace(":", "")) for _ in range(2)]
        return b"".join(macs) + self._typed()

    def _typed(self) -> bytes:
        """An EtherType and what follows, behind 0 to 3 tags."""
        rng = self._rng
        tags = b"".join(
            _number(rng.choice(TAG_TYPES)) + _number(rng.choice(VIDS))
            for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3)))
        )
        kinds = (self._ip4_typed,) * 6 + (self._ip6_typed,) * 6
        rare: tuple[Callable[[], bytes], ...] = (self._arp, self._llc, self._mpls)
        rare += (self._pppoe, self._decnet, self._other)
        if self._tunnels:
            rare += (self._mpls, self._pppoe) * 3
        return tags + rng.choice((*kinds, *rare))()

    def _ip4_typed(self) -> bytes:
        return _number(0x0800) + self._ip(4)

    def _ip6_typed(self) -> bytes:
        return _number(0x86DD) + self._ip(6)

    def _arp(self) -> bytes:
        addresses = (bytes(6) + self._host4() for _ in range(2))
        kind = self._rng.choice((0x0806, 0x8035))
        return _number(kind) + bytes.fromhex("0001080006040001") + b"".join(addresses) + bytes(18)

    def _llc(self) -> bytes:
        rng = self._rng
        header = rng.choice((
            b"\x42\x42\x03", b"\xfe\xfe\x03\x83\x1b\x01\x00" + bytes((rng.randrange(15, 28),)),
            b"\xe0\xe0\x03", b"\xff\xff", b"\xf0\xf0\x07", b"\xfe\xfe\x03\x81", b"\xaa\xaa\x03",
            b"\xaa\xaa\x03\0\0\0\x81\x37", b"\xaa\xaa\x03\x08\0\x07\x80\x9b",
            b"\x06\x06" + rng.randbytes(2),
        ))  # fmt: skip
        return _number(rng.choice((len(header), 60, 1500, 1501))) + header + bytes(40)

    def _mpls(self) -> bytes:
        count = self._rng.randint(1, 3)
        labels = b"".join(
            _number(self._rng.choice((100, 200)) << 12 | (at == count - 1) << 8 | 64, 4)
            for at in range(count)
        )
        return _number(0x8847) + labels + self._ip(self._rng.choice((4, 6)))

    def _pppoe(self) -> bytes:
        if self._rng.random() < 0.2:
            return _number(0x8863) + b"\x11\x09\0\0\0\0" + bytes(30)
        version = self._rng.choice((4, 6))
        protocol = 0x21 if version == 4 else 0x57
        return _number(0x8864) + b"\x11\0\0\x07\0\0" + _number(protocol) + self._ip(version)

    def _decnet(self) -> bytes:
        flags = self._rng.choice((b"\x02", b"\x06", b"\x81\x02", b"\x81\x06"))
        return _number(0x6003) + b"\x20\0" + flags + b"\x01\x04" * 16

    def _other(self) -> bytes:
        kind = self._rng.choice((0x8100, 0x809B, 0x80F3, 0x6001, 0x6002, 0x6004, 0x6007, 0x1234))
        return _number(kind) + self._rng.randbytes(60)

    # -- network -----------------------------------------------------------------------------------

    def _host4(self) -> bytes:
        return ip_address(self._rng.choice(HOSTS4)).packed

    def _host6(self) -> bytes:
        return ip_address(self._rng.choice(HOSTS6)).packed

    def _ip(self, version: int) -> bytes:
        return self._ipv4() if version == 4 else self._ipv6()

    def _ipv4(self) -> bytes:
        rng = self._rng
        words = rng.choice((5, 5, 5, 6, 8, 15))
        fragment = rng.choice((0, 0, 0, 0, 0x4000, 0x2000, 0x2005, 0x0005, 0x2001))
        protocol, payload = self._transport(6)
        header = bytes((0x40 | words, rng.choice((0, 0xB8, 0x28)))) + bytes(4) + _number(fragment)
        header += bytes((rng.choice((1, 4, 64)), protocol)) + bytes(2) + self._host4()
        return header + self._host4() + bytes(4 * (words - 5)) + payload

    def _ipv6(self) -> bytes:
        rng = self._rng
        protocol, payload = self._transport(58)
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 3, 8, 9))):
            kind = rng.choice((0, 43, 44, 44, 51, 60))
            payload = self._extension(kind, protocol) + payload
            protocol = kind
        header = _number(rng.choice((0x60000000, 0x6B800000, 0x62800000)), 4) + bytes(2)
        header += bytes((protocol, rng.choice((1, 4, 64))))
        return header + self._host6() + self._host6() + payload

    def _extension(self, kind: int, following: int) -> bytes:
        rng = self._rng
        if kind == 44:
            fragment = rng.choice((0, 0, 1, 1, 0x28, 0x29, 8))
            return bytes((following, 0)) + _number(fragment) + bytes(4)
        units = rng.choice((0, 0, 1, 2))
        length = 4 * (units + 2) if kind == 51 else 8 * (units + 1)
        return bytes((following, units)) + bytes(length - 2)

    # -- transport ---------------------------------------------------------------------------------

    def _port(self) -> bytes:
        return _number(int(self._rng.choice(PORTS)))

    def _transport(self, ordinary: int) -> tuple[int, bytes]:
        rng = self._rng
        kinds: tuple[int, ...] = (
            6,
            6,
            6,
            17,
            17,
            17,
            132,
            ordinary,
            1,
            2,
            51,
            50,
            103,
            112,
            4,
            41,
            47,
        )
        if self._tunnels and self._depth < 2:
            kinds = (17, 17, 17, 4, 41, 47, 6)
        kind = rng.choice(kinds)
        if kind == 6:
            words = rng.choice((5, 5, 8, 15))
            header = self._port() + self._port() + bytes(8) + bytes((words << 4,))
            header += bytes((rng.choice((0x02, 0x12, 0x10, 0x14, 0x01)),)) + bytes(6)
            return 6, header + bytes(4 * (words - 5)) + rng.choice((b"GET / HTTP", b"PUT", b""))
        if kind == 17:
            return 17, self._udp()
        if kind == 132:
            return 132, self._port() + self._port() + bytes(8) + b"GET " + bytes(8)
        if kind in (4, 41) and self._deeper():
            return kind, self._ip(4 if kind == 4 else 6)
        if kind == 47 and self._deeper():
            return 47, self._gre()
        if kind == 51:
            return 51, bytes((rng.choice((6, 51)), 4)) + bytes(22) + self._port() + bytes(20)
        return kind, bytes((rng.choice((0, 8, 128)),)) + rng.randbytes(23)

    def _deeper(self) -> bool:
        self._depth += 1
        return self._depth <= DEEPEST

    def _udp(self) -> bytes:
        choices = [(self._port(), b"GET " + bytes(8))]
        if self._deeper():
            choices += [
                (_number(self._rng.choice((4789, 8472))), self._vxlan()),
                (_number(6081), self._geneve()),
                (_number(2152), self._gtp()),
            ]
        port, payload = self._rng.choice(choices)
        return self._port() + port + _number(8 + len(payload) & 0xFFFF) + bytes(2) + payload

    def _vxlan(self) -> bytes:
        flags = self._rng.choice((8, 8, 8, 0, 9))
        return bytes((flags, 0, 0, 0)) + _number(42 << 8, 4) + self._ethernet()

    def _bare_or_framed(self) -> tuple[int, bytes]:
        kind = self._rng.choice((0x6558, 0x0800, 0x86DD, 0x8847))
        if kind == 0x6558:
            return kind, self._ethernet()
        return kind, self._ip(6 if kind == 0x86DD else 4)

    def _geneve(self) -> bytes:
        options = self._rng.choice((0, 0, 1, 3))
        first = self._rng.choice((0, 0, 0, 0x40)) | options
        kind, payload = self._bare_or_framed()
        header = bytes((first, 0)) + _number(kind) + _number(42 << 8, 4)
        return header + bytes(4 * options) + payload

    def _gre(self) -> bytes:
        flags = self._rng.choice((0, 0x8000, 0x2000, 0xB000, 0x1000, 0x3001, 0x4000))
        count = sum(1 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
        kind, payload = self._bare_or_framed()
        return _number(flags) + _number(kind) + bytes(4 * count) + payload

    def _gtp(self) -> bytes:
        rng = self._rng
        flags = rng.choice((0x30, 0x30, 0x32, 0x34, 0x34, 0x50))
        header = bytes((flags, rng.choice((255, 255, 255, 1)))) + bytes(2) + _number(42, 4)
        if flags & 7:
            count = rng.choice((0, 1, 2, 4, 5)) if flags & 4 else 0
            header += bytes(3) + (b"\x85" if count else b"\0")
            for left in range(count - 1, -1, -1):
                words = rng.choice((1, 1, 2, 0))
                header += bytes((words,)) + bytes(max(0, 4 * words - 2))
                header += b"\x85" if left else b"\0"
        return header + self._ip(rng.choice((4, 6)))
