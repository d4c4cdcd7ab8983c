"""The traffic of the lab, built by scapy, and what scapy says is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

conf.ipv6_enabled = False  # ask this machine for no routes
_ETHER = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
_V4 = {"src": "192.0.2.1", "dst": "192.0.2.2"}
_V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}


class Case(NamedTuple):
    """An expression, and the same question put to scapy."""

    expression: str
    matches: Callable[[Packet], bool]


class Truth(NamedTuple):
    """What an expression must count."""

    packets: int
    bytes: int
    ports: dict[int | None, int]


CASES = (
    Case("", lambda _: True),
    Case("tcp dst port 80", lambda p: TCP in p and p[TCP].dport == 80),
    Case("ip6", lambda p: IPv6 in p),
    Case("ip6 and tcp port 80", lambda p: IPv6 in p and TCP in p and 80 in _ports(p)),
    Case("vlan 100", lambda p: _first_tag(p) == 100),
    Case("vlan 100 and udp", lambda p: _first_tag(p) == 100 and UDP in p),
    Case("frag", lambda p: IP in p and (p[IP].flags.MF or p[IP].frag > 0)),
    Case("udp port 5000", lambda p: UDP in p and 5000 in _ports(p)),
    Case("not port 80", lambda p: not ((TCP in p or UDP in p) and 80 in _ports(p))),
)


def packets() -> list[Packet]:
    """Return the frames to send, in order."""
    v4, v6 = IP(**_V4), IPv6(**_V6)
    mix = [
        (40, v4 / TCP(sport=40000, dport=80) / Raw(bytes(20))),
        (30, v4 / TCP(sport=40001, dport=443)),
        (20, v4 / UDP(sport=40002, dport=53) / Raw(bytes(30))),
        (10, v4 / ICMP()),
        (5, ARP(hwsrc=_ETHER["src"], psrc=_V4["src"], pdst=_V4["dst"])),
        (25, v6 / TCP(sport=80, dport=40003)),
        (15, v6 / IPv6ExtHdrHopByHop() / TCP(sport=40004, dport=80)),
        (10, v6 / UDP(sport=40005, dport=53) / Raw(bytes(8))),
        (20, Dot1Q(vlan=100) / v4 / TCP(sport=40006, dport=80)),
        (10, Dot1Q(vlan=100) / v6 / UDP(sport=40007, dport=53)),
        (10, Dot1AD(vlan=100) / Dot1Q(vlan=200) / v4 / TCP(sport=40008, dport=80)),
    ]
    frames = [Ether(**_ETHER) / packet for count, packet in mix for _ in range(count)]
    large = v4 / UDP(sport=40009, dport=5000) / Raw(bytes(4000))
    for _ in range(5):
        frames += [Ether(**_ETHER) / part for part in fragment(large, fragsize=1400)]
    return [Ether(bytes(frame)) for frame in frames]  # as read from the wire


def truth(case: Case, sent: list[Packet]) -> Truth:
    """Return what scapy says that `case` matches."""
    matching = [packet for packet in sent if case.matches(packet)]
    ports = Counter(_ports(packet)[1] for packet in matching)
    return Truth(len(matching), sum(len(packet) for packet in matching), dict(ports))


def _ports(packet: Packet) -> tuple[int | None, int | None]:
    """Return source and destination port; a later fragment has none."""
    for kind in (TCP, UDP):
        if kind in packet and not (IP in packet and packet[IP].frag):
            return packet[kind].sport, packet[kind].dport
    return None, None


def _first_tag(packet: Packet) -> int | None:
    tag = packet.payload
    return tag.vlan if isinstance(tag, (Dot1Q, Dot1AD)) else None
