"""Ordinary Ethernet frames of fifty kinds, to time filters with.

What a filter costs depends on how well branches are predicted, and so on the traffic: one frame
again and again is the best case, frames in no order the worst. Checksums are zero; nothing that is
timed looks at them. Sources: RFC 791, 793, 768, 8200, 792, 4443, 826, 7348, 8926, 2784, 2516, 3032.
Depends on nothing of netbpf.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST = 60  # bytes of a frame without its check sequence (IEEE 802.3)
_IP4, _ARP, _IP6, _VLAN, _SERVICE_TAG = 0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8
_MPLS, _PPPOE, _LLDP = 0x8847, 0x8864, 0x88CC
_ICMP, _IGMP, _IPIP, _TCP, _UDP, _GRE, _ESP, _ICMP6 = 1, 2, 4, 6, 17, 47, 50, 58
_HOP_BY_HOP, _FRAGMENT, _DESTINATION = 0, 44, 60
_SYN, _SYN_ACK, _ACK, _PUSH_ACK, _FIN_ACK = 0x02, 0x12, 0x10, 0x18, 0x11
_MORE = 0x2000  # more fragments follow
_NEAR, _FAR = "10.0.0.1", "203.0.113.5"
_NEAR6, _FAR6 = "2001:db8::1", "2001:db8:5::5"
_GET = b"GET / HTTP/1.1\r\n"
_QUERY, _ANSWER = b"\0\x01\x01\0\0\x01" + bytes(6), b"\0\x01\x81\x80\0\x01\0\x01" + bytes(4)
_ROUTER_ALERT = b"\x94\x04\0\0"
_TIMESTAMP = b"\x44\x0c\x05\0" + bytes(8)


@lru_cache
def frames() -> Mapping[str, bytes]:
    """Return the frames by name, the most common kinds first."""
    every = {**_tcp_frames(), **_udp_frames(), **_ip6_frames(), **_odd_ip_frames()}
    every |= {**_tagged_frames(), **_other_frames(), **_tunnel_frames()}
    return {name: frame.ljust(_SHORTEST, b"\0") for name, frame in every.items()}


def _tcp_frames() -> dict[str, bytes]:
    rows = {
        "http-get": (_NEAR, _FAR, 40000, 80, _PUSH_ACK, _GET),
        "http-reply": (_FAR, _NEAR, 80, 40000, _ACK, b"HTTP/1.1 200 OK\r\n"),
        "http-syn": ("10.0.0.7", _FAR, 40001, 80, _SYN, b""),
        "https": (_NEAR, "198.51.100.7", 40002, 443, _PUSH_ACK, b"\x17\x03\x03"),
        "https-syn": ("10.0.0.9", "198.51.100.7", 40003, 443, _SYN, b""),
        "https-syn-ack": ("198.51.100.7", "10.0.0.9", 443, 40003, _SYN_ACK, b""),
        "https-fin": ("172.16.3.4", "198.51.100.7", 40004, 443, _FIN_ACK, b""),
        "ssh": ("192.168.1.2", "192.168.1.3", 40005, 22, _PUSH_ACK, b"SSH-2.0-"),
        "ssh-reply": ("10.0.0.3", "10.0.0.2", 22, 40006, _ACK, b""),
        "smtp": ("192.168.1.2", "198.51.100.9", 40007, 25, _PUSH_ACK, b"EHLO a\r\n"),
        "alternate-http": ("192.168.1.20", "10.0.0.8", 40008, 8080, _PUSH_ACK, _GET),
        "database": ("10.0.0.4", "10.0.0.5", 40009, 3306, _ACK, b""),
        "tcp-1500": ("10.1.2.3", "10.4.5.6", 40010, 1500, _ACK, b""),
        "tcp-high": ("100.64.1.1", "100.64.2.2", 50000, 50001, _ACK, b""),
    }
    return {
        name: _ether(_ip4(_TCP, _tcp(sport, dport, flags, data), src, dst))
        for name, (src, dst, sport, dport, flags, data) in rows.items()
    }


def _udp_frames() -> dict[str, bytes]:
    rows = {
        "dns-query": (_NEAR, "9.9.9.9", 40020, 53, _QUERY),
        "dns-answer": ("9.9.9.9", _NEAR, 53, 40020, _ANSWER),
        "quic": ("10.0.0.6", "198.51.100.7", 40021, 443, bytes(24)),
        "ntp": ("192.168.1.2", "198.51.100.123", 123, 123, b"\x23" + bytes(47)),
        "udp-1024": ("172.16.3.4", "172.16.9.9", 40022, 1024, bytes(8)),
        "dhcp": ("0.0.0.0", "255.255.255.255", 68, 67, b"\x01\x01\x06" + bytes(21)),
        "rtp": ("10.0.0.12", "192.168.1.12", 16384, 16386, b"\x80" + bytes(19)),
    }
    return {
        name: _ether(_ip4(_UDP, _udp(sport, dport, data), src, dst))
        for name, (src, dst, sport, dport, data) in rows.items()
    }


def _ip6_frames() -> dict[str, bytes]:
    web, query = _tcp(40030, 80, _PUSH_ACK, _GET), _udp(40031, 53, _QUERY)
    first, later = struct.pack("!BBHI", _TCP, 0, 1, 7), struct.pack("!BBHI", _UDP, 0, 1448, 7)
    options = bytes((1, 4)) + bytes(4)  # padding, to 8 bytes with the two that begin a header
    rows = {
        "http-get6": (_TCP, web),
        "https6": (_TCP, _tcp(40032, 443, _ACK)),
        "dns-query6": (_UDP, query),
        "udp6-high": (_UDP, _udp(50000, 50002, bytes(8))),
        "echo6": (_ICMP6, b"\x80\0" + bytes(14)),
        "neighbour6": (_ICMP6, b"\x87\0" + bytes(22)),
        "http-hop-by-hop6": (_HOP_BY_HOP, bytes((_TCP, 0)) + options + web),
        "dns-destination6": (_DESTINATION, bytes((_UDP, 0)) + options + query),
        "http-fragment6": (_FRAGMENT, first + web),
        "udp-later-fragment6": (_FRAGMENT, later + bytes(16)),
    }
    return {name: _ether(_ip6(nxt, data), _IP6) for name, (nxt, data) in rows.items()}


def _odd_ip_frames() -> dict[str, bytes]:
    web = _tcp(40040, 80, _PUSH_ACK, _GET)
    return {
        "http-options": _ether(_ip4(_TCP, web, options=_ROUTER_ALERT)),
        "dns-options": _ether(_ip4(_UDP, _udp(40041, 53, _QUERY), options=_TIMESTAMP)),
        "tcp-first-fragment": _ether(_ip4(_TCP, web, fragment=_MORE)),
        "tcp-later-fragment": _ether(_ip4(_TCP, web, fragment=_MORE | 64)),
        "udp-last-fragment": _ether(_ip4(_UDP, bytes(20), fragment=185)),
        "ping": _ether(_ip4(_ICMP, b"\x08\0" + bytes(14))),
        "unreachable": _ether(_ip4(_ICMP, b"\x03\x03" + bytes(34), "10.0.0.254", _NEAR)),
        "igmp": _ether(_ip4(_IGMP, b"\x16" + bytes(7), "192.168.1.2", "224.0.0.251")),
        "esp": _ether(_ip4(_ESP, bytes(24))),
    }


def _tagged_frames() -> dict[str, bytes]:
    web, query = _ip4(_TCP, _tcp(40050, 80, _ACK)), _ip4(_UDP, _udp(40051, 53, _QUERY))
    secure = _ip4(_TCP, _tcp(40052, 443, _ACK))
    return {
        "vlan-http": _ether(_tag(100, _IP4) + web, _VLAN),
        "vlan-dns": _ether(_tag(100, _IP4) + query, _VLAN),
        "vlan-https": _ether(_tag(200, _IP4) + secure, _VLAN),
        "qinq-http": _ether(_tag(300, _VLAN) + _tag(100, _IP4) + web, _SERVICE_TAG),
    }


def _other_frames() -> dict[str, bytes]:
    near, far = ipaddress.ip_address(_NEAR).packed, ipaddress.ip_address("10.0.0.2").packed
    mac = b"\x02\0\0\0\0"
    head = struct.pack("!HHBB", 1, _IP4, 6, 4)
    return {
        "arp-request": _ether(head + b"\0\x01" + mac + b"\1" + near + bytes(6) + far, _ARP),
        "arp-reply": _ether(head + b"\0\x02" + mac + b"\2" + far + mac + b"\1" + near, _ARP),
        "lldp": _ether(b"\x02\x07\x04" + bytes(40), _LLDP),
    }


def _tunnel_frames() -> dict[str, bytes]:
    inner = _ip4(_TCP, _tcp(40060, 80, _ACK), "10.9.0.1", "10.9.0.2")
    vxlan = struct.pack("!II", 0x08000000, 42 << 8) + _ether(inner)
    return {
        "vxlan": _ether(_ip4(_UDP, _udp(40061, 4789, vxlan))),
        "gre": _ether(_ip4(_GRE, struct.pack("!HH", 0, _IP4) + inner)),
        "mpls": _ether(struct.pack("!I", 100 << 12 | 1 << 8 | 64) + inner, _MPLS),
    }


# -- headers ---------------------------------------------------------------------------------------


def _ether(payload: bytes, ethertype: int = _IP4) -> bytes:
    return b"\x02\0\0\0\0\2" + b"\x02\0\0\0\0\1" + struct.pack("!H", ethertype) + payload


def _tag(vid: int, ethertype: int) -> bytes:
    return struct.pack("!HH", vid, ethertype)


def _ip4(
    protocol: int,
    payload: bytes,
    src: str = _NEAR,
    dst: str = _FAR,
    *,
    options: bytes = b"",
    fragment: int = 0,
) -> bytes:
    length = 20 + len(options)
    head = struct.pack(
        "!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 7, fragment, 64, protocol, 0
    )
    ends = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    return head + ends + options + payload


def _ip6(next_header: int, payload: bytes) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64)
    return head + ipaddress.ip_address(_NEAR6).packed + ipaddress.ip_address(_FAR6).packed + payload


def _tcp(sport: int, dport: int, flags: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 8192, 0, 0) + payload


def _udp(sport: int, dport: int, payload: bytes) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
