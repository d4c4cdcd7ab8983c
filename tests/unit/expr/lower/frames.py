"""Frames written out header by header, for tests that say what each byte is for."""

from __future__ import annotations

NEAR, FAR = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def number(value: int, width: int = 2) -> bytes:
    """A big-endian number."""
    return value.to_bytes(width, "big")


def ether(kind: int, payload: bytes, *tags: tuple[int, int]) -> bytes:
    """An Ethernet frame, with tags as (TPID, TCI)."""
    stacked = b"".join(number(tpid) + number(tci) for tpid, tci in tags)
    return FAR + NEAR + stacked + number(kind) + payload


def ip4(protocol: int, payload: bytes, *, frag: int = 0, ttl: int = 64, tos: int = 0) -> bytes:
    """An IPv4 packet from 192.0.2.1 to 192.0.2.2."""
    head = bytes((0x45, tos)) + bytes(4) + number(frag) + bytes((ttl, protocol, 0, 0))
    return head + bytes((192, 0, 2, 1, 192, 0, 2, 2)) + payload


def ip6(protocol: int, payload: bytes, *chain: tuple[int, bytes], hops: int = 64) -> bytes:
    """An IPv6 packet from 2001:db8::1 to 2001:db8::2.

    `chain` holds extension headers by their numbers; their first byte is filled in.
    """
    numbers = [kind for kind, _ in chain] + [protocol]
    for (_, body), following in reversed(list(zip(chain, numbers[1:], strict=True))):
        payload = bytes((following,)) + body + payload
    prefix = bytes.fromhex("20010db8") + bytes(11)
    head = bytes((0x6B, 0x80, 0, 0, 0, 0, numbers[0], hops))
    return head + prefix + b"\x01" + prefix + b"\x02" + payload


OPTIONS = bytes(7)  # of a hop-by-hop or destination header with eight bytes
AH = bytes((4,)) + bytes(22)  # (4 + 2) * 4 bytes


def fragment(offset: int, *, more: bool = False) -> bytes:
    """The rest of a fragment header; the offset is in units of eight bytes."""
    return bytes(1) + number(offset << 3 | more) + bytes(4)


def tcp(
    sport: int, dport: int, *, flags: int = 0x10, payload: bytes = b"", words: int = 5
) -> bytes:
    """A TCP segment."""
    head = number(sport) + number(dport) + bytes(8) + bytes((words << 4, flags)) + bytes(6)
    return head + bytes(4 * (words - 5)) + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """A UDP datagram."""
    return number(sport) + number(dport) + number(8 + len(payload)) + bytes(2) + payload


def sctp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """An SCTP packet."""
    return number(sport) + number(dport) + bytes(8) + payload


def vxlan(vni: int, frame: bytes, *, port: int = 4789, flags: int = 8) -> bytes:
    """VXLAN, from UDP on."""
    return udp(49152, port, bytes((flags, 0, 0, 0)) + number(vni << 8, 4) + frame)


def geneve(vni: int, kind: int, payload: bytes, *, options: int = 0, version: int = 0) -> bytes:
    """Geneve, from UDP on; `options` in words."""
    head = bytes((version << 6 | options, 0)) + number(kind) + number(vni << 8, 4)
    return udp(49152, 6081, head + bytes(4 * options) + payload)


def gtp(teid: int, payload: bytes, *, flags: int = 0x30, message: int = 255) -> bytes:
    """GTP-U, from UDP on; what `flags` announce stands at the payload's front."""
    return udp(2152, 2152, bytes((flags, message, 0, 0)) + number(teid, 4) + payload)


def gre(kind: int, payload: bytes, *, flags: int = 0) -> bytes:
    """GRE; what `flags` announce stands at the payload's front."""
    return number(flags) + number(kind) + payload


def mpls(payload: bytes, *labels: int) -> bytes:
    """A label stack."""
    last = len(labels) - 1
    entries = (number(label << 12 | (at == last) << 8, 4) for at, label in enumerate(labels))
    return b"".join(entries) + payload
