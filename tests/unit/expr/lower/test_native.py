"""What docs/language.md says of the default dialect, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from netbpf.expr.lower.native.network import long_walks
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Packet, run, trace
from netbpf.ir.passes import optimise
from netbpf.ir.program import Verdict
from netbpf.proto.linktype import LinkType
from tests.unit.expr.lower.asking import asked, program_of
from tests.unit.expr.lower.frames import (
    AH,
    OPTIONS,
    ether,
    fragment,
    geneve,
    gre,
    gtp,
    ip4,
    ip6,
    mpls,
    number,
    sctp,
    tcp,
    udp,
    vxlan,
)

IP, IP6, ARP, TEB = 0x0800, 0x86DD, 0x0806, 0x6558
WEB = tcp(1024, 80, flags=0x02, payload=b"GET / HTTP/1.1")
WEB4 = ether(IP, ip4(6, WEB))
WEB6 = ether(IP6, ip6(6, WEB))
DNS4 = ether(IP, ip4(17, udp(1024, 53)))


def chain6(*chain: tuple[int, bytes], protocol: int = 6, payload: bytes = WEB) -> bytes:
    """A frame with IPv6 extension headers."""
    return ether(IP6, ip6(protocol, payload, *chain))


HOPS, ROUTING, DESTINATION = (0, OPTIONS), (43, OPTIONS), (60, OPTIONS)

EXTENSION_HEADERS = [
    ("tcp port 80", chain6(HOPS), True),
    ("tcp dst port 80", chain6(HOPS, ROUTING, DESTINATION, (51, AH)), True),
    ("tcp src port 80", chain6(HOPS, ROUTING, DESTINATION, (51, AH)), False),
    ("tcp[13] = 2", chain6(HOPS, (51, AH)), True),
    ("udp port 53", chain6(DESTINATION, protocol=17, payload=udp(1, 53)), True),
    ("icmp6[0] = 128", chain6(HOPS, protocol=58, payload=b"\x80" + bytes(7)), True),
    ("icmp6", chain6(HOPS, protocol=58, payload=b"\x80"), True),
    ("tcp", chain6(*[DESTINATION] * 8), True),
    ("tcp", chain6(*[DESTINATION] * 9), False),
    ("not tcp", chain6(*[DESTINATION] * 9), False),  # nobody can say
    ("tcp", chain6(HOPS)[:55], False),  # cut off within the chain
    ("not tcp", chain6(HOPS)[:55], False),
    ("not udp", chain6(HOPS), True),
    ("esp", chain6(HOPS, protocol=50), True),
    ("ip6 proto 0", chain6(DESTINATION, HOPS), True),
    ("ip6 proto 60", chain6(HOPS, DESTINATION), True),
    ("ip6 proto 43", chain6(HOPS, DESTINATION), False),
    ("ip6 proto 0", chain6(*[HOPS] * 9), True),  # found before the chain is too long
    ("ip6 proto 6", chain6(HOPS), True),
    ("ah", chain6(HOPS, (51, AH)), True),
    ("ah", chain6(HOPS), False),
    ("ah", ether(IP, ip4(51, b"\x06" + AH + WEB)), True),
    ("tcp", ether(IP, ip4(51, b"\x06" + AH + WEB)), False),  # AH is walked in IPv6 only
    ("ip protochain 6", ether(IP, ip4(51, b"\x06" + AH + WEB)), True),
    ("ip6 protochain 0", chain6(DESTINATION, HOPS), True),
    ("protochain 17", WEB6, False),
    ("ip proto 6", WEB6, False),
    ("ip6 proto 6", WEB4, False),
    ("tcp[0:2] = 1024", WEB6, True),
    ("udp[2:2] = 53", chain6(HOPS, protocol=17, payload=udp(1, 53)), True),
    ("ip protochain 17", ether(IP, ip4(51, b"\x33" + AH + b"\x11" + AH + WEB)), True),
    ("ip protochain 6", ether(IP, ip4(51, b"\x33" + AH + b"\x11" + AH + WEB)), False),
    ("ip protochain 17", ether(IP, ip4(51, b"\x33" + AH + b"\x11" + AH, frag=3)), False),
    ("sctp[0:2] = 7", ether(IP, ip4(132, sctp(7, 8))), True),
    ("sctp[0:2] = 7", ether(IP6, ip6(132, sctp(7, 8))), False),  # as in pcap-filter
    ("sctp port 7", ether(IP6, ip6(132, sctp(7, 8))), True),
]

FRAGMENTS = [
    ("tcp", ether(IP, ip4(6, WEB, frag=5)), True),
    ("port 80", ether(IP, ip4(6, WEB, frag=5)), False),
    ("port 80", ether(IP, ip4(6, WEB, frag=0x2000)), True),
    ("tcp[13] & 2 != 0", ether(IP, ip4(6, WEB, frag=0x2001)), False),
    ("tcp", chain6((44, fragment(5))), True),
    ("port 80", chain6((44, fragment(5))), False),
    ("port 80", chain6((44, fragment(0, more=True))), True),
    ("tcp flags syn", chain6((44, fragment(5))), False),
    ('payload starts "GET "', chain6((44, fragment(5))), False),
    ("udp", chain6((44, fragment(5))), False),
    ("ip6 proto 60", chain6((44, fragment(5)), DESTINATION), True),  # what the header names
    ("frag", ether(IP, ip4(6, WEB, frag=0x4000)), False),  # "don't fragment"
    ("frag", ether(IP, ip4(6, WEB, frag=0x2000)), True),
    ("frag", ether(IP, ip4(6, WEB, frag=1)), True),
    ("frag first", ether(IP, ip4(6, WEB, frag=0x2000)), True),
    ("frag first", ether(IP, ip4(6, WEB, frag=0x2001)), False),
    ("frag later", ether(IP, ip4(6, WEB, frag=0x2001)), True),
    ("frag later", ether(IP, ip4(6, WEB, frag=0x2000)), False),
    ("frag", chain6((44, fragment(0))), False),  # an atomic fragment, RFC 6946
    ("frag first", chain6(HOPS, (44, fragment(0, more=True))), True),
    ("frag later", chain6(HOPS, (44, fragment(1))), True),
    ("frag", ether(ARP, bytes(28)), False),
    ("not frag", ether(ARP, bytes(28)), True),
]

Q, AD, QINQ = 0x8100, 0x88A8, 0x9100
IP_WEB = ip4(6, WEB)
ONE = ether(IP, IP_WEB, (Q, 0x2064))  # VLAN 100, priority 1
TWO = ether(IP, IP_WEB, (AD, 200), (Q, 100))
THREE = ether(IP, IP_WEB, (AD, 200), (Q, 100), (Q, 5))

TAGS = [
    *((text, frame, True) for text in ("tcp port 80", "ip", "host 192.0.2.1", "tcp[2:2] = 80")
      for frame in (WEB4, ONE, TWO)),
    *((text, THREE, False) for text in ("tcp port 80", "ip")),
    ("ether proto 0x8100", THREE, True),  # what is behind the second tag
    ("ether proto 0x800", ONE, True),
    ("vlan", ONE, True),
    ("vlan", WEB4, False),
    ("vlan 100", ONE, True),
    ("vlan 101", ONE, False),
    ("vlan 200", TWO, True),
    ("vlan 100", TWO, False),
    ("vlan and vlan 100", TWO, True),
    ("vlan 200 and vlan 100 and tcp port 80", TWO, True),
    ("vlan 100 and vlan 200", TWO, False),
    ("vlan and vlan", ONE, False),
    ("vlan and vlan and vlan", THREE, False),
    ("vlan 100 or vlan 200", TWO, True),
    ("not vlan 5 and vlan 200", TWO, True),
    ("(vlan) and vlan 200", TWO, True),  # a parenthesis keeps what it shifts
    ("vlan and (vlan 100)", TWO, True),  # and stands where it stands
    ("vlan or ip and vlan 200", TWO, True),
    ("vlan in {100, 300}", ONE, True),
    ("vlan in {1-99, 101-4095}", ONE, False),
    ("vlan and vlan in {90-110}", TWO, True),
    ("vlan", ether(IP, IP_WEB, (Q, 0xE000)), False),  # a priority tag
    ("not vlan", ether(IP, IP_WEB, (Q, 0xE000)), True),
    ("vlan 0", ether(IP, IP_WEB, (Q, 0xE000)), True),
    ("vlan 0", WEB4, False),
    ("tcp port 80", ether(IP, IP_WEB, (QINQ, 7)), True),
    ("arp", ether(ARP, bytes(28), (Q, 7)), True),
    ("stp", ether(38, b"\x42\x42\x03" + bytes(40), (Q, 7)), True),
    ("ether[12:2] = 0x8100", ONE, True),  # the frame as it is on the wire
    ("ether[16:2] = 0x800", ONE, True),
    ("ip[0] = 0x45", ONE, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "packet", "match"), [*EXTENSION_HEADERS, *FRAGMENTS, *TAGS], ids=lambda v: str(v)[:40]
)
def test_headers(text: str, packet: bytes, match: bool) -> None:
    assert asked(text, packet) is match


@pytest.mark.parametrize(("text", "packet", "match"), TAGS, ids=lambda v: str(v)[:40])
def test_a_stripped_tag_changes_nothing(text: str, packet: bytes, match: bool) -> None:
    tpid, tci = (int.from_bytes(packet[at : at + 2], "big") for at in (12, 14))
    if tpid in (Q, AD):
        assert asked(text, Packet(packet[:12] + packet[16:], vlan=(tpid, tci))) is match


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("offset", range(24))
def test_bytes_are_those_of_the_wire(offset: int, width: int) -> None:
    value = int.from_bytes(ONE[offset : offset + width], "big")
    held = Packet(ONE[:12] + ONE[16:], vlan=(Q, 0x2064))
    assert asked(f"ether[{offset}:{width}] = {value}", held)
    assert asked(f"ether[len - {len(ONE) - offset}:{width}] = {value}", held)
    assert not asked(f"ether[{offset}:{width}] = {value ^ 1}", held)
    assert asked(f"len = {len(ONE)}", held)


# -- tunnels ---------------------------------------------------------------------------------------

INNER_DNS = ether(IP, ip4(17, udp(9, 53)), (Q, 10))
VXLAN = ether(IP, ip4(17, vxlan(42, INNER_DNS)))
VXLAN6 = chain6(HOPS, protocol=17, payload=vxlan(42, INNER_DNS))
GENEVE = ether(IP, ip4(17, geneve(7, TEB, WEB6, options=3)))
GENEVE_BARE = ether(IP, ip4(17, geneve(7, IP, ip4(17, udp(9, 53)), options=1)))
GRE = ether(IP, ip4(47, gre(IP, ip4(17, udp(9, 53)))))
GRE_ALL = ether(IP, ip4(47, gre(IP6, bytes(12) + ip6(6, WEB), flags=0xB000)))
GRE_FRAME = ether(IP, ip4(47, gre(TEB, bytes(4) + INNER_DNS, flags=0x2000)))
IPIP = ether(IP, ip4(4, ip4(6, WEB)))
SIT = ether(IP, ip4(41, ip6(6, WEB)))
IP4IN6 = chain6(DESTINATION, protocol=4, payload=ip4(6, WEB))
GTP = ether(IP, ip4(17, gtp(99, ip4(6, WEB))))
GTP_SEQUENCE = ether(IP, ip4(17, gtp(99, bytes(3) + b"\x85" + ip6(6, WEB), flags=0x32)))
EXTENSION = bytes((1, 0, 0, 0x85))
LAST = bytes((2, 0, 0, 0, 0, 0, 0, 0))


def gtp_extended(count: int) -> bytes:
    """GTP-U with that many extension headers."""
    chain = EXTENSION * (count - 1) + LAST
    return ether(IP, ip4(17, gtp(99, bytes(3) + b"\x85" + chain + ip4(6, WEB), flags=0x34)))


GTP_EMPTY = ether(IP, ip4(17, gtp(99, bytes(3) + b"\x85" + bytes(40), flags=0x34)))
MPLS = ether(0x8847, mpls(ip4(6, WEB), 100))
MPLS_TWO = ether(0x8847, mpls(ip6(6, WEB), 100, 200))
PPPOE = ether(0x8864, b"\x11\0\0\x07\0\0\0\x57" + ip6(6, WEB))

TUNNELS = [
    ("vxlan", VXLAN, True),
    ("vxlan 42", VXLAN, True),
    ("vxlan 43", VXLAN, False),
    ("vxlan", VXLAN6, True),
    ("vxlan", ether(IP, ip4(17, vxlan(42, INNER_DNS, flags=0))), False),
    ("vxlan", ether(IP, ip4(17, vxlan(42, INNER_DNS), frag=1)), False),
    ("vxlan and udp port 53", VXLAN, True),
    ("vxlan and udp dst port 4789", VXLAN, False),  # that is the outer port
    ("udp dst port 4789 and vxlan and udp dst port 53", VXLAN, True),
    ("vxlan and vlan 10 and udp port 53", VXLAN, True),
    ("vxlan and ether src 02:00:00:00:00:01", VXLAN6, True),
    ("vxlan and ether[0] = 2", VXLAN, True),
    ("vxlan and inner (udp port 53)", VXLAN, True),
    ("vxlan and inner (vlan 10)", VXLAN, True),
    ("vxlan and vlan 10 and inner (vlan 10)", VXLAN, True),  # counted afresh
    ("vxlan and vlan 10 and vlan 10", VXLAN, False),
    ("inner (udp port 53) and udp dst port 4789", VXLAN, True),  # and outside again
    ("vxlan and inner (udp port 53) and udp dst port 53", VXLAN, True),
    ("vxlan and ether[0] = 1", ether(IP, ip4(17, vxlan(42, b"\x01" + INNER_DNS[1:]))), True),
    ("(vxlan) and udp dst port 4789", VXLAN, True),
    ("vxlan or arp and udp dst port 4789", VXLAN, True),
    ("arp or vxlan and udp dst port 4789", VXLAN, True),
    ("arp or vxlan and udp dst port 53", VXLAN, False),
    ("arp or (vxlan and udp dst port 53)", VXLAN, True),
    ("not arp and vxlan and udp port 53", VXLAN, True),
    ("vxlan and (udp port 53 or tcp)", VXLAN, True),
    ("vxlan port 8472", VXLAN, False),
    ("vxlan 42 port 8472 and udp port 53",
     ether(IP, ip4(17, vxlan(42, INNER_DNS, port=8472))), True),
    ("geneve 7 and tcp port 80", GENEVE, True),
    ("geneve 8", GENEVE, False),
    ("geneve", ether(IP, ip4(17, geneve(7, TEB, WEB6, version=1))), False),
    ("geneve and ip6 and ether dst 02:00:00:00:00:02", GENEVE, True),
    ("geneve and udp port 53", GENEVE_BARE, True),
    ("geneve and ether dst 02:00:00:00:00:02", GENEVE_BARE, False),
    ("geneve and ether multicast", GENEVE_BARE, False),
    ("geneve and ether dst 02:00:00:00:00:02", ether(IP, ip4(17, geneve(7, IP, WEB4))), False),
    ("gre", GRE, True),
    ("gre and udp port 53", GRE, False),  # gre, ipip and gtp shift nothing
    ("gre and ip[9] = 47", GRE, True),
    ("gre and inner (udp port 53)", GRE, True),
    ("gre and inner (tcp port 80)", GRE_ALL, True),
    ("gre and inner (vlan 10 and udp port 53)", GRE_FRAME, True),
    ("gre", ether(IP, ip4(47, gre(IP, bytes(30), flags=1))), False),  # version 1
    ("gre", ether(IP, ip4(47, gre(IP, bytes(30), flags=0x4000))), False),  # routing
    ("ipip and inner (tcp port 80)", IPIP, True),
    ("ipip and inner (ip6 and tcp port 80)", SIT, True),
    ("ipip and inner (ip and tcp port 80)", IP4IN6, True),
    ("ipip and inner (udp)", IPIP, False),
    ("gtp", GTP, True),
    ("gtp 99 and inner (tcp port 80)", GTP, True),
    ("gtp 98", GTP, False),
    ("gtp and inner (ip6 and tcp port 80)", GTP_SEQUENCE, True),
    ("gtp and inner (tcp port 80)", gtp_extended(1), True),
    ("gtp and inner (tcp port 80)", gtp_extended(4), True),
    ("gtp and inner (tcp port 80)", gtp_extended(5), False),
    ("gtp and not inner (tcp port 80)", gtp_extended(5), False),  # nobody can say
    ("gtp", ether(IP, ip4(17, gtp(99, ip4(6, WEB), message=1))), False),
    ("inner (ip) or gtp", GTP_EMPTY, False),  # an extension header without length
    ("gtp", GTP_EMPTY, True),
    *((("inner (tcp port 80)"), frame, True)
      for frame in (GENEVE, GRE_ALL, IPIP, SIT, GTP, IP4IN6)),
    *((("inner (udp port 53)"), frame, True) for frame in (VXLAN, VXLAN6, GENEVE_BARE, GRE_FRAME)),
    ("inner (ip)", WEB4, False),
    ("inner (ip)", ether(IP, ip4(4, ip4(6, WEB), frag=1)), False),
    ("ipip", ether(IP, ip4(4, ip4(6, WEB), frag=1)), False),
    ("not inner (ip)", WEB4, True),
    ("inner (not tcp)", IPIP, False),
    ("inner (vlan)", VXLAN, True),
    ("inner (inner (tcp port 80))", ether(IP, ip4(17, vxlan(1, GRE_ALL))), True),
    ("vxlan and gre and inner (tcp)", ether(IP, ip4(17, vxlan(1, GRE_ALL))), True),
    ("mpls", MPLS, True),
    ("mpls 100 and ip", MPLS, True),
    ("mpls 100 and tcp port 80", MPLS, True),
    ("mpls 100 and host 192.0.2.1", MPLS, True),
    ("(mpls 100) and ip", MPLS, False),
    ("mpls 100 or ip and ip", MPLS, False),
    ("mpls 200", MPLS_TWO, False),
    ("mpls and mpls 200 and ip6 and tcp port 80", MPLS_TWO, True),
    ("mpls and ip6", MPLS_TWO, False),  # another label comes first
    ("mpls and mpls and mpls", MPLS_TWO, False),
    ("mpls and inner (tcp port 80)", MPLS, True),
    ("mpls and ether src 02:00:00:00:00:01", MPLS, True),
    ("mpls and mpls", ether(0x8847, mpls(ip4(6, WEB), 100), (Q, 5)), False),
    ("vlan 5 and mpls and tcp", ether(0x8847, mpls(ip4(6, WEB), 100), (Q, 5)), True),
    ("pppoes", PPPOE, True),
    ("pppoes 7 and tcp port 80", PPPOE, True),
    ("pppoes 8", PPPOE, False),
    ("pppoes and ip", PPPOE, False),
    ("pppoes and ip6", PPPOE, True),
    ("ip6", PPPOE, False),
    ("pppoed", ether(0x8863, bytes(30)), True),
    ("pppoed and pppoed", ether(0x8863, bytes(30)), True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "packet", "match"), TUNNELS, ids=lambda v: str(v)[:60])
def test_tunnels(text: str, packet: bytes, match: bool) -> None:
    assert asked(text, packet) is match


# -- sets and extensions ---------------------------------------------------------------------------

SMALL_TESTS = [
    ("tcp dst port in {80, 443, 8000-8099}", WEB4, True),
    ("tcp dst port in {81, 443, 8000-8099}", WEB4, False),
    ("port in {1-79, 1025-65535, 80}", WEB6, True),
    ("src net in {10.0.0.0/8, 2001:db8::/32}", WEB6, True),
    ("src net in {10.0.0.0/8, 2001:db8::/32}", WEB4, False),
    ("host in {192.0.2.2, 2001:db8::9}", WEB4, True),
    ("src and dst net in {192.0.2.0/24, 10.0.0.0/8}", WEB4, True),
    ("src and dst host in {192.0.2.1, 192.0.2.2}", WEB4, False),  # one element for both
    ("ether host in {02:00:00:00:00:01, 02:00:00:00:00:09, 02:00:00:00:00:08}", WEB4, True),
    ("ether dst in {02:00:00:00:00:01, 02:00:00:00:00:09, 02:00:00:00:00:08}", WEB4, False),
    ("ip proto in {6, 17}", WEB4, True),
    ("ip proto in {1, 17}", WEB4, False),
    ("ttl = 64", WEB4, True),
    ("ttl = 64", WEB6, True),
    ("ttl < 5", ether(IP, ip4(6, WEB, ttl=4)), True),
    ("ttl < 5", ether(ARP, bytes(28)), False),
    ("not ttl < 5", ether(ARP, bytes(28)), True),
    ("dscp ef", ether(IP, ip4(6, WEB, tos=0xB9)), True),
    ("dscp ef", WEB6, True),
    ("dscp ef", WEB4, False),
    ("dscp != 46", WEB6, False),
    ("dscp = 0x2e", ether(IP, ip4(6, WEB, tos=0xB8)), True),
    ("tcp flags syn", WEB4, True),
    ("tcp flags syn,!ack", WEB6, True),
    ("tcp flags ack", WEB6, False),
    ("tcp flags !syn", WEB6, False),
    ("tcp flags syn", DNS4, False),
    ("payload[0:4] = 0x47455420", WEB4, True),
    ('payload starts "GET / H"', WEB6, True),
    ('payload starts "POST"', WEB6, False),
    ('payload starts "GET"', ether(IP, ip4(6, tcp(1, 2, payload=b"GET", words=8))), True),
    ('payload starts "GET"', ether(IP, ip4(17, udp(1, 2, b"GET"))), True),
    ('payload starts "GET"', ether(IP, ip4(132, sctp(1, 2, b"GET"))), True),
    ('payload starts "GET"', ether(IP, ip4(1, b"GET")), False),
    ('not payload starts "GET"', ether(IP, ip4(17, udp(1, 2, b"GE"))), False),  # cut off
    ("payload[-1] = 0", WEB4, False),
    ("not payload[-1] = 0", WEB4, False),  # there is nothing before the payload
]


@pytest.mark.parametrize(("text", "packet", "match"), SMALL_TESTS, ids=lambda v: str(v)[:60])
def test_sets_and_extensions(text: str, packet: bytes, match: bool) -> None:
    assert asked(text, packet) is match


def test_every_operand_implies_its_protocol() -> None:
    text = "ip[0] + tcp[0] > 0"
    assert asked(text, WEB4)
    assert not asked(text, DNS4)
    in_pcap = run(program_of(text, dialect=Dialect.PCAP), Packet(DNS4))
    assert in_pcap is Verdict.MATCH  # libpcap forgets about the second


# -- other link types ------------------------------------------------------------------------------

SLL = bytes((0, 4)) + bytes(12)
SLL2_REST = bytes(2) + number(3, 4) + bytes((0, 1, 4, 6)) + bytes(8)
OTHERS = [
    (LinkType.RAW, "tcp port 80", ip4(6, WEB), True),
    (LinkType.RAW, "tcp port 80", ip6(6, WEB, HOPS), True),
    (LinkType.RAW, "ip6", ip4(6, WEB), False),
    (LinkType.RAW, "arp", ip4(6, WEB), False),
    (LinkType.IPV4, "tcp port 80", ip4(6, WEB), True),
    (LinkType.IPV4, "ip6", ip6(6, WEB), False),
    (LinkType.IPV6, "tcp port 80", ip6(6, WEB, (44, fragment(0, more=True))), True),
    (LinkType.NULL, "tcp port 80", b"\x02\0\0\0" + ip4(6, WEB), True),
    (LinkType.NULL, "tcp port 80", b"\0\0\0\x1e" + ip6(6, WEB), True),
    (LinkType.NULL, "tcp port 80", b"\x18\0\0\0" + ip6(6, WEB), True),
    (LinkType.NULL, "tcp port 80", b"\x0a\0\0\0" + ip6(6, WEB), False),
    (LinkType.LOOP, "tcp port 80", b"\0\0\0\x1c" + ip6(6, WEB), True),
    (LinkType.LOOP, "tcp port 80", b"\x02\0\0\0" + ip4(6, WEB), False),
    (LinkType.PPP, "tcp port 80", b"\xff\x03\0\x21" + ip4(6, WEB), True),
    (LinkType.PPP, "mpls 7 and tcp port 80", b"\xff\x03\x02\x81" + mpls(ip4(6, WEB), 7), True),
    (LinkType.LINUX_SLL, "tcp port 80", SLL + number(IP) + ip4(6, WEB), True),
    (LinkType.LINUX_SLL, "tcp port 80",
     SLL + number(Q) + number(5) + number(IP) + ip4(6, WEB), True),
    (LinkType.LINUX_SLL, "outbound", SLL + number(IP), True),
    (LinkType.LINUX_SLL2, "tcp port 80", number(IP6) + SLL2_REST + ip6(6, WEB), True),
    (LinkType.LINUX_SLL2, "ip",
     number(AD) + SLL2_REST + number(5) + number(Q) + number(6) + number(IP) + ip4(6, WEB), True),
    (LinkType.LINUX_SLL2, "ifindex 3 and outbound", number(IP) + SLL2_REST, True),
    (LinkType.RAW, "vxlan and udp port 53", ip4(17, vxlan(42, INNER_DNS)), True),
    (LinkType.RAW, "inner (tcp port 80)", ip4(4, ip4(6, WEB)), True),
]  # fmt: skip


@pytest.mark.parametrize(("linktype", "text", "packet", "match"), OTHERS, ids=lambda v: str(v)[:40])
def test_other_link_types(linktype: LinkType, text: str, packet: bytes, match: bool) -> None:
    assert asked(text, packet, linktype=linktype) is match


# -- long expressions: the walk of the network header comes first ----------------------------------

RULES = " or ".join(f"(vlan {n} and udp port {n})" for n in range(50, 54))


@pytest.mark.parametrize(
    ("text", "walks"),
    [
        (RULES, 1),
        (" or ".join(f"(vlan {n} and udp port {n})" for n in range(1000)), 1),
        (f"{RULES} or tcp", 1),
        (RULES.split(" or ")[0], 1),
        ("(vlan 1 and udp port 1) or (vlan 2 and udp port 2)", 2),  # few: only where it is needed
        (f"{RULES} or arp", 4),  # a cut-off IP packet must not stop the search for others
        (f"{RULES} or vlan 7", 4),
        (f"not ({RULES})", 4),
    ],
)
def test_rules_share_a_walk_that_each_of_them_needs(text: str, walks: int) -> None:
    assert long_walks(program_of(text)) == walks


@pytest.mark.parametrize(
    "text",
    [RULES, f"{RULES} or tcp", f"{RULES} or vlan 7", f"{RULES} or len < 60", f"not ({RULES})"],
)
def test_a_shared_walk_changes_no_verdict(text: str) -> None:
    optimised, plain = program_of(text), program_of(text, reuse=False)
    for tci in (0, 7, 51):
        for packet in (ip4(17, udp(9, 51)), ip6(17, udp(9, 51), (0, OPTIONS)), ip4(6, WEB)):
            frame = ether(IP if packet[0] >> 4 == 4 else IP6, packet, (0x8100, tci))
            for length in range(len(frame) + 1):
                cut = Packet(frame[:length])
                assert run(optimised, cut) == run(plain, cut)
    frame = ether(IP, ip4(17, udp(9, 51)), (0x8100, 51))
    assert asked(text, frame) is not text.startswith("not")


# -- versions for the plainest packets -------------------------------------------------------------


def versions(text: str, **circumstances: Any) -> int:
    """How many kinds of packets have code of their own."""
    program = program_of(text, roomy=True, **circumstances)
    return sum(block.label.startswith("version") for block in program)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp dst port 80", 2),
        ("ip", 1),
        ("ip6 and udp port 53", 1),
        ("not ip", 1),
        ("arp", 0),
        ("host 10.0.0.1", 1),
        ("vlan 100 and tcp port 80", 0),
        ("not vlan and tcp port 80", 2),
        ("ether src 1:2:3:4:5:6", 0),  # may match without an EtherType
        ("len > 60 or tcp", 0),
        ("tcp or len > 60", 2),
        (" or ".join(f"(ttl = {n} and udp port {n})" for n in range(5, 10)), 2),
        (" or ".join(f"(ttl = {n} and udp port {n})" for n in range(2, 300)), 0),  # too long
    ],
)
def test_what_has_versions(text: str, expected: int) -> None:
    assert versions(text) == versions(text, stripped_tags=True) == expected


def test_only_ethernet_has_versions_and_only_where_there_is_room() -> None:
    assert versions("tcp", linktype=LinkType.LINUX_SLL) == 0
    assert versions("tcp", dialect=Dialect.PCAP) == 0
    assert program_of("tcp") != program_of("tcp", roomy=True)


@pytest.mark.parametrize("packet", [WEB4, WEB6], ids=["IPv4", "IPv6"])
def test_plain_packets_take_a_short_way(packet: bytes) -> None:
    ways = [
        len(trace(optimise(program_of("tcp dst port 80", roomy=roomy)), Packet(packet)).steps)
        for roomy in (False, True)
    ]
    assert ways[1] < ways[0]
