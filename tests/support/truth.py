"""Expressions with what they mean, said over the facts of a frame and without netbpf's code.

Each test that has a way to run an expression (the interpreter, a hook in the kernel, a live veth
pair) runs these over the zoo, and must find exactly the frames whose facts the predicate accepts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.support.packets import (
    PROTO_ICMP,
    PROTO_ICMP6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Facts,
    Fragment,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS_SEEN_THROUGH = 2
EXTENSIONS_WALKED = 8
ARP, RARP = 0x0806, 0x8035
SYN, ACK = 0x02, 0x10


class Truth(NamedTuple):
    """An expression, and which frames it matches in the default dialect."""

    expression: str
    matches: Callable[[Facts], bool]


def ethertype(facts: Facts) -> int | None:
    """What is behind the tags, where the language looks through them: a third one is opaque."""
    return facts.ethertype if len(facts.tags) <= TAGS_SEEN_THROUGH else None


def version(facts: Facts) -> int | None:
    """4 or 6, of the outermost IP header that is reached without entering a tunnel."""
    if len(facts.tags) > TAGS_SEEN_THROUGH:
        return None
    return facts.version


def protocol(facts: Facts) -> int | None:
    """What follows the IP headers; None where the chain is longer than it is walked."""
    if version(facts) is None or len(facts.extensions) > EXTENSIONS_WALKED:
        return None
    return facts.protocol


def dport(facts: Facts) -> int | None:
    """The destination port, of what has ports."""
    return facts.dport if protocol(facts) in {PROTO_TCP, PROTO_UDP, PROTO_SCTP} else None


def sport(facts: Facts) -> int | None:
    """The source port, of what has ports."""
    return facts.sport if protocol(facts) in {PROTO_TCP, PROTO_UDP, PROTO_SCTP} else None


def fragment(facts: Facts) -> Fragment | None:
    """Which part of a datagram it is. An atomic fragment is a whole one (RFC 6946 §2)."""
    return facts.fragment if version(facts) is not None else None


def tcp_flags(facts: Facts) -> int:
    """The flags of a TCP header, 0 where there is none."""
    return (facts.tcp_flags or 0) if protocol(facts) == PROTO_TCP else 0


def vids(facts: Facts) -> list[int]:
    """The VLAN identifiers that a test can name, outermost first."""
    return [tag.vid for tag in facts.tags[:TAGS_SEEN_THROUGH]]


def inner(facts: Facts, *tunnels: str) -> Facts:
    """Return what one of the tunnels holds, or facts of nothing."""
    if facts.tunnel in tunnels and version(facts) is not None and facts.inner is not None:
        return facts.inner
    return Facts(length=0)


def _web(facts: Facts) -> bool:
    return protocol(facts) == PROTO_TCP and dport(facts) == 80


TUNNELS = ("vxlan", "geneve", "gre", "ipip", "gtp")

TRUTHS: tuple[Truth, ...] = (
    Truth("", lambda _: True),
    Truth("tcp dst port 80", _web),
    Truth("udp port 53", lambda f: protocol(f) == PROTO_UDP and 53 in {sport(f), dport(f)}),
    Truth("port 80", lambda f: 80 in {sport(f), dport(f)}),
    Truth("tcp", lambda f: protocol(f) == PROTO_TCP),
    Truth("udp or sctp", lambda f: protocol(f) in {PROTO_UDP, PROTO_SCTP}),
    Truth("icmp or icmp6", lambda f: protocol(f) in {PROTO_ICMP, PROTO_ICMP6}),
    Truth("arp or rarp", lambda f: ethertype(f) in {ARP, RARP}),
    Truth("not ip and not ip6", lambda f: version(f) is None),
    Truth("ip src 192.0.2.1", lambda f: version(f) == 4 and f.src == "192.0.2.1"),
    Truth("ip6 net 2001:db8::/48", lambda f: version(f) == 6 and str(f.src) == "2001:db8::1"),
    Truth("vlan 100", lambda f: vids(f)[:1] == [100]),
    Truth("vlan 200 and vlan 100 and udp", lambda f: vids(f) == [200, 100] and protocol(f) == 17),
    Truth("not vlan", lambda f: not any(vids(f)[:1])),
    Truth("less 76", lambda f: f.length <= 76),
    Truth("greater 9000", lambda f: f.length >= 9000),
    Truth("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", lambda f: tcp_flags(f) & 0x12 == SYN),
    Truth("tcp flags syn,ack", lambda f: tcp_flags(f) & (SYN | ACK) == SYN | ACK),
    Truth(
        "portrange 50-100", lambda f: any(p in range(50, 101) for p in (sport(f), dport(f)) if p)
    ),
    Truth("dst port in {53, 80-90}", lambda f: dport(f) in {53, *range(80, 91)}),
    Truth("frag", lambda f: fragment(f) in {Fragment.FIRST, Fragment.LATER}),
    Truth("frag first", lambda f: fragment(f) is Fragment.FIRST),
    Truth("frag later", lambda f: fragment(f) is Fragment.LATER),
    Truth("vxlan and inner (tcp dst port 80)", lambda f: _web(inner(f, "vxlan"))),
    Truth("inner (tcp dst port 80)", lambda f: _web(inner(f, *TUNNELS))),
)
