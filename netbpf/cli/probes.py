"""Packets that would be missed: of neighbour discovery, and of the SSH session of the user.

Built by hand, to be judged by the interpreter before a filter that drops is attached. Each function
returns IP packets or Ethernet payloads; `framed` puts the link layer in front.
"""

from __future__ import annotations

import socket
from struct import pack
from typing import NamedTuple

from netbpf.proto.linktype import LinkType

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
BROADCAST = b"\xff" * 6
_SOME_MAC = bytes.fromhex("020000000001")
_TCP, _ICMP6 = 6, 58
_ACK, _PUSH_ACK = 0x10, 0x18


class Payload(NamedTuple):
    """What an Ethernet frame carries."""

    ethertype: int
    data: bytes


class Addresses(NamedTuple):
    """The two ends of a TCP connection, seen in the direction of travel."""

    source: str
    source_port: int
    destination: str
    destination_port: int

    def reverse(self) -> Addresses:
        """Return the other direction."""
        return Addresses(self.destination, self.destination_port, self.source, self.source_port)


def framed(
    payload: Payload,
    linktype: LinkType,
    *,
    source: bytes = _SOME_MAC,
    destination: bytes = _SOME_MAC,
) -> bytes:
    """Return the packet as it begins on this link type; addresses are Ethernet's."""
    if linktype is LinkType.EN10MB:
        return destination + source + pack(">H", payload.ethertype) + payload.data.ljust(46, b"\0")
    return payload.data


def arp(sender: str, target: str, *, reply: bool) -> Payload:
    """Return an ARP request or reply (RFC 826)."""
    head = pack(">HHBBH", 1, IPV4, 6, 4, 2 if reply else 1)
    to = _SOME_MAC if reply else bytes(6)
    addresses = _SOME_MAC + _raw(sender) + to + _raw(target)
    return Payload(ARP, head + addresses)


def neighbour(sender: str, target: str, *, reply: bool) -> Payload:
    """Return a neighbour solicitation to the solicited-node group, or advertisement (RFC 4861)."""
    kind, option = (136, 2) if reply else (135, 1)
    asked = _raw(sender if reply else target)
    message = pack(">BBHI", kind, 0, 0, 0x60000000 if reply else 0) + asked
    message += pack(">BB", option, 1) + _SOME_MAC
    to = _raw(target) if reply else _raw("ff02::1:ff00:0")[:13] + _raw(target)[13:]
    return _ipv6(_raw(sender), to, _ICMP6, message, hops=255)


def segments(ends: Addresses) -> list[Payload]:
    """Return TCP segments as a session sends them: bare, with a key stroke, and full."""
    return [
        _segment(ends, _ACK, b""),
        _segment(ends, _PUSH_ACK, bytes(36)),
        _segment(ends, _ACK, bytes(1396)),
    ]


def _segment(ends: Addresses, flags: int, data: bytes) -> Payload:
    options = bytes.fromhex("0101080a 00000001 00000001")
    ports = pack(">HH", ends.source_port, ends.destination_port)
    body = ports + pack(">IIBBHHH", 1, 1, 8 << 4, flags, 501, 0, 0) + options + data
    source, destination = _raw(ends.source), _raw(ends.destination)
    if len(source) == 4:
        head = pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, 64, _TCP, 0)
        return Payload(IPV4, head + source + destination + body)
    return _ipv6(source, destination, _TCP, body, hops=64)


def _ipv6(source: bytes, destination: bytes, protocol: int, body: bytes, hops: int) -> Payload:
    head = pack(">IHBB", 6 << 28, len(body), protocol, hops)
    return Payload(IPV6, head + source + destination + body)


def _raw(address: str) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address.partition("%")[0])
