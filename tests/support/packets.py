"""A zoo of Ethernet frames, built with scapy, each with the facts that are true of it.

The facts come from the scapy layers that a frame was put together from, and from nothing of
netbpf: a test computes from them what an expression must match. Built once per process:
importing scapy takes half a second, which only those tests pay that ask for a frame.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from netbpf.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Layer = Any  # scapy.packet.Packet: scapy has no useful types

NEAR_MAC, FAR_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP4_SRC, IP4_DST = "192.0.2.1", "192.0.2.2"
IP6_SRC, IP6_DST = "2001:db8::1", "2001:db8::2"
SPORT, DPORT = 12345, 80

# IANA protocol numbers
PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_ICMP6, PROTO_SCTP = 1, 6, 17, 58, 132
PROTO_DESTOPTS = 60


class Fragment(Enum):
    """Which part of a datagram a frame holds."""

    FIRST = "first"  # more follow
    LATER = "later"  # offset > 0: no transport header in it, whatever its bytes look like
    ATOMIC = "atomic"  # IPv6 only: a fragment header, but the whole datagram (RFC 6946)


@dataclass(frozen=True, slots=True)
class Tag:
    """A VLAN tag."""

    tpid: int
    vid: int
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of a frame. None: it has no such thing, or not at a readable place.

    `protocol` is what the IPv4 header, or the last of the IPv6 extension headers that are there,
    names. `extensions` are the protocol numbers of the IPv6 extension headers in their order.
    `inner` is what `tunnel` holds: vxlan, geneve, gre, ipip, gtp, mpls, pppoe.
    """

    length: int
    tags: tuple[Tag, ...] = ()
    ethertype: int | None = None  # behind the tags
    version: int | None = None
    src: str | None = None
    dst: str | None = None
    extensions: tuple[int, ...] = ()
    protocol: int | None = None
    fragment: Fragment | None = None
    sport: int | None = None
    dport: int | None = None
    tcp_flags: int | None = None
    tunnel: str | None = None
    inner: Facts | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame from its Ethernet header on, without a frame check sequence."""

    name: str
    data: bytes
    facts: Facts

    def __str__(self) -> str:
        return self.name

    def truncations(self) -> Iterator[bytes]:
        """Yield all that is left of the frame when its end is cut off, the longest first."""
        for end in range(len(self.data) - 1, -1, -1):
            yield self.data[:end]


# The names, without building: for parametrize. A test holds them against the zoo.
NAMES: tuple[str, ...] = (
    *("tcp4", "tcp4-syn", "tcp4-reply", "udp4", "sctp4", "icmp4", "igmp4"),
    *("tcp4-options", "udp4-options", "tcp4-first", "tcp4-later", "udp4-last", "ah4"),
    *("tcp6", "udp6", "icmp6", "sctp6", "tcp6-hopbyhop", "tcp6-routing", "tcp6-destopts"),
    *("udp6-hopbyhop", "tcp6-ah", "tcp6-first", "tcp6-later", "tcp6-atomic"),
    *("udp6-later-destopts", "tcp6-chain", "tcp6-chain-8", "tcp6-chain-9", "esp6", "none6"),
    *("arp", "rarp", "stp", "snap", "llc", "ipx", "unknown-ethertype"),
    *("tcp4-vlan", "tcp6-vlan", "tcp4-priority", "tcp4-9100", "arp-vlan"),
    *("tcp4-qinq", "udp6-qinq", "tcp4-vlan-vlan", "tcp4-qinq-options", "tcp6-qinq-hopbyhop"),
    *("tcp4-three-tags", "tcp4-vlan-first", "tcp4-vlan-later", "tcp6-vlan-ah"),
    *("vxlan-tcp4", "vxlan-tcp4-vlan", "vxlan-udp6", "geneve-tcp4", "geneve-options-tcp4"),
    *("gre-tcp4", "gre-key-tcp4", "gre-tcp6", "ipip-tcp4", "ip6ip6-tcp6", "sit-tcp6"),
    *(
        "gtp-tcp4",
        "gtp-extended-tcp4",
        "mpls-tcp4",
        "mpls-stack-tcp6",
        "pppoe-tcp4",
        "pppoe-discovery",
    ),
    *("jumbo-udp4", "jumbo-tcp6", "jumbo-tcp4-vlan"),
)


def frame(name: str) -> Frame:
    """Return one frame of the zoo."""
    return zoo()[name]


@cache
def zoo() -> Mapping[str, Frame]:
    """Return all frames by name, in the order of NAMES."""
    built = _plain() | _tagged() | _tunnelled() | _jumbo()
    return {name: Frame(name, bytes(layers), facts_of(layers)) for name, layers in built.items()}


# ------------------------------------------------------------------------------ the frames


def _ether(payload: Layer) -> Layer:
    from scapy.layers.l2 import Ether

    return Ether(src=NEAR_MAC, dst=FAR_MAC) / payload


def _plain() -> dict[str, Layer]:
    return {name: _ether(x) for name, x in (_ipv4() | _ipv6() | _not_ip()).items()} | _llc()


def _ipv4() -> dict[str, Layer]:
    from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert, IPOption_Timestamp
    from scapy.layers.ipsec import AH
    from scapy.layers.sctp import SCTP
    from scapy.packet import Raw

    ip = IP(src=IP4_SRC, dst=IP4_DST)
    back = IP(src=IP4_DST, dst=IP4_SRC)
    options = IP(
        src=IP4_SRC, dst=IP4_DST, options=[IPOption_Router_Alert(), IPOption_Timestamp(length=12)]
    )
    tcp = TCP(sport=SPORT, dport=DPORT, flags="PA")
    udp = UDP(sport=SPORT, dport=53)
    text = Raw(b"GET / HTTP/1.1\r\n\r\n")
    first, later, last = ip.copy(), ip.copy(), ip.copy()
    first.flags = "MF"
    later.flags, later.frag, later.proto = "MF", 64, PROTO_TCP
    last.frag, last.proto = 185, PROTO_UDP
    # A later fragment's payload that looks like the header that is looked for.
    decoy = Raw(bytes(tcp / text))
    return {
        "tcp4": ip / tcp / text,
        "tcp4-syn": ip / TCP(sport=SPORT, dport=DPORT, flags="S", options=[("MSS", 1460)]),
        "tcp4-reply": back / TCP(sport=DPORT, dport=SPORT, flags="SA"),
        "udp4": ip / udp / Raw(bytes(20)),
        "sctp4": ip / SCTP(sport=SPORT, dport=DPORT) / Raw(bytes(16)),
        "icmp4": ip / ICMP() / Raw(bytes(16)),
        "igmp4": IP(src=IP4_SRC, dst="224.0.0.22", proto=2) / Raw(b"\x22" + bytes(15)),
        "tcp4-options": options / tcp / text,
        "udp4-options": options / udp,
        "tcp4-first": first / tcp / text,
        "tcp4-later": later / decoy,
        "udp4-last": last / Raw(bytes(udp) + bytes(8)),
        "ah4": ip / AH(nh=PROTO_TCP, payloadlen=4, spi=1, seq=1, icv=bytes(12)) / tcp,
    }


def _ipv6() -> dict[str, Layer]:
    from scapy.layers.inet import TCP, UDP
    from scapy.layers.inet6 import (
        ICMPv6EchoRequest,
        IPv6,
        IPv6ExtHdrDestOpt,
        IPv6ExtHdrFragment,
        IPv6ExtHdrHopByHop,
        IPv6ExtHdrRouting,
        PadN,
        RouterAlert,
    )
    from scapy.layers.ipsec import AH, ESP
    from scapy.layers.sctp import SCTP
    from scapy.packet import Raw

    ip = IPv6(src=IP6_SRC, dst=IP6_DST)
    tcp = TCP(sport=SPORT, dport=DPORT, flags="PA")
    udp = UDP(sport=SPORT, dport=53)
    text = Raw(b"GET / HTTP/1.1\r\n\r\n")
    hop = IPv6ExtHdrHopByHop(options=[RouterAlert()])
    dest = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))])
    routing = IPv6ExtHdrRouting(addresses=["2001:db8::9", "2001:db8::a"])
    # scapy fills in neither; the length is in words of 4 bytes, less 2 (RFC 4302 §2.2).
    ah = AH(nh=PROTO_TCP, payloadlen=4, spi=1, seq=1, icv=bytes(12))
    ah_dest = AH(nh=PROTO_DESTOPTS, payloadlen=4, spi=1, seq=1, icv=bytes(12))
    later = IPv6ExtHdrFragment(offset=9, id=7, nh=PROTO_DESTOPTS)
    decoy = Raw(bytes(tcp / text))
    eight = hop / routing / IPv6ExtHdrFragment() / ah_dest / dest / dest / dest / dest
    return {
        "tcp6": ip / tcp / text,
        "udp6": ip / udp / Raw(bytes(20)),
        "icmp6": ip / ICMPv6EchoRequest(data=bytes(16)),
        "sctp6": ip / SCTP(sport=SPORT, dport=DPORT) / Raw(bytes(16)),
        "tcp6-hopbyhop": ip / hop / tcp / text,
        "tcp6-routing": ip / routing / tcp / text,
        "tcp6-destopts": ip / dest / tcp / text,
        "udp6-hopbyhop": ip / hop / udp,
        "tcp6-ah": ip / ah / tcp / text,
        "tcp6-first": ip / IPv6ExtHdrFragment(m=1, id=7) / tcp / text,
        "tcp6-later": ip / IPv6ExtHdrFragment(offset=64, m=1, id=7, nh=PROTO_TCP) / decoy,
        "tcp6-atomic": ip / IPv6ExtHdrFragment(id=7) / tcp / text,
        "udp6-later-destopts": ip / hop / later / decoy,
        "tcp6-chain": ip / hop / dest / routing / IPv6ExtHdrFragment(id=7) / ah_dest / dest / tcp,
        "tcp6-chain-8": ip / eight / tcp / text,
        "tcp6-chain-9": ip / eight / dest / tcp / text,
        "esp6": ip / ESP(spi=1, seq=1, data=bytes(24)),
        "none6": IPv6(src=IP6_SRC, dst=IP6_DST, nh=59),
    }


def _not_ip() -> dict[str, Layer]:
    from scapy.layers.l2 import ARP

    return {"arp": ARP(psrc=IP4_SRC, pdst=IP4_DST, hwsrc=NEAR_MAC)}


def _llc() -> dict[str, Layer]:
    from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot3, Ether
    from scapy.packet import Raw

    def dot3(dst: str) -> Layer:
        return Dot3(src=NEAR_MAC, dst=dst)

    rarp = ARP(op=3, hwsrc=NEAR_MAC, hwdst=NEAR_MAC, psrc="0.0.0.0", pdst="0.0.0.0")
    return {
        "rarp": Ether(src=NEAR_MAC, dst="ff:ff:ff:ff:ff:ff", type=0x8035) / rarp,
        "stp": dot3("01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(),
        "snap": dot3("01:00:0c:cc:cc:cc")
        / LLC()
        / SNAP(OUI=0x00000C, code=0x2000)
        / Raw(bytes(30)),
        "llc": dot3(FAR_MAC) / LLC(dsap=0xFE, ssap=0xFE, ctrl=3) / Raw(b"\x83" + bytes(30)),
        "ipx": Ether(src=NEAR_MAC, dst=FAR_MAC, type=0x8137) / Raw(b"\xff\xff" + bytes(30)),
        "unknown-ethertype": Ether(src=NEAR_MAC, dst=FAR_MAC, type=0x88B5) / Raw(bytes(46)),
    }


def _tagged() -> dict[str, Layer]:
    from scapy.layers.l2 import Dot1AD, Dot1Q

    ip = _ipv4() | _ipv6() | _not_ip()
    outer_9100 = _ether(Dot1Q(vlan=100) / ip["tcp4"])
    outer_9100.type = 0x9100
    double = Dot1AD(vlan=200) / Dot1Q(vlan=100)
    return {
        "tcp4-vlan": _ether(Dot1Q(vlan=100, prio=5) / ip["tcp4"]),
        "tcp6-vlan": _ether(Dot1Q(vlan=100) / ip["tcp6"]),
        "tcp4-priority": _ether(Dot1Q(vlan=0, prio=6) / ip["tcp4"]),
        "tcp4-9100": outer_9100,
        "arp-vlan": _ether(Dot1Q(vlan=100) / ip["arp"]),
        "tcp4-qinq": _ether(double / ip["tcp4"]),
        "udp6-qinq": _ether(double / ip["udp6"]),
        "tcp4-vlan-vlan": _ether(Dot1Q(vlan=100) / Dot1Q(vlan=300) / ip["tcp4"]),
        "tcp4-qinq-options": _ether(double / ip["tcp4-options"]),
        "tcp6-qinq-hopbyhop": _ether(double / ip["tcp6-hopbyhop"]),
        "tcp4-three-tags": _ether(Dot1AD(vlan=300) / double / ip["tcp4"]),
        "tcp4-vlan-first": _ether(Dot1Q(vlan=100) / ip["tcp4-first"]),
        "tcp4-vlan-later": _ether(Dot1Q(vlan=100) / ip["tcp4-later"]),
        "tcp6-vlan-ah": _ether(Dot1Q(vlan=100) / ip["tcp6-ah"]),
    }


def _tunnelled() -> dict[str, Layer]:
    from scapy.contrib.geneve import GENEVE, GeneveOptions
    from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import GRE, Dot1Q
    from scapy.layers.ppp import PPP, PPPoE, PPPoED
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Raw

    four, six = _ipv4(), _ipv6()
    ip = IP(src="198.51.100.1", dst="198.51.100.2")
    ip6 = IPv6(src="2001:db8:1::1", dst="2001:db8:1::2")
    vxlan = ip / UDP(sport=50000, dport=4789) / VXLAN(vni=42, flags="Instance")
    geneve = ip / UDP(sport=50000, dport=6081)
    option = GeneveOptions(classid=0x0102, type=3, data=bytes(8))
    bridged = 0x6558  # transparent Ethernet bridging: scapy does not fill it in
    gtp = ip / UDP(sport=50000, dport=2152) / GTP_U_Header(teid=9, gtp_type=255)
    return {
        "vxlan-tcp4": _ether(vxlan / _ether(four["tcp4"])),
        "vxlan-tcp4-vlan": _ether(vxlan / _ether(Dot1Q(vlan=100) / four["tcp4"])),
        "vxlan-udp6": _ether(vxlan / _ether(six["udp6"])),
        "geneve-tcp4": _ether(geneve / GENEVE(vni=42, proto=bridged) / _ether(four["tcp4"])),
        "geneve-options-tcp4": _ether(
            geneve / GENEVE(vni=42, proto=bridged, options=[option]) / _ether(four["tcp4"])
        ),
        "gre-tcp4": _ether(ip / GRE() / four["tcp4"]),
        "gre-key-tcp4": _ether(ip / GRE(key_present=1, key=7, seqnum_present=1) / four["tcp4"]),
        "gre-tcp6": _ether(ip6 / GRE() / six["tcp6"]),
        "ipip-tcp4": _ether(ip / four["tcp4"]),
        "ip6ip6-tcp6": _ether(ip6 / six["tcp6"]),
        "sit-tcp6": _ether(ip / six["tcp6"]),
        "gtp-tcp4": _ether(gtp / four["tcp4"]),
        "gtp-extended-tcp4": _ether(gtp / GTPPDUSessionContainer(QFI=1) / four["tcp4"]),
        "mpls-tcp4": _ether(MPLS(label=100, s=1, ttl=64) / four["tcp4"]),
        "mpls-stack-tcp6": _ether(
            MPLS(label=100, s=0, ttl=64) / MPLS(label=200, s=1, ttl=64) / six["tcp6"]
        ),
        "pppoe-tcp4": _ether(PPPoE(sessionid=5) / PPP(proto=0x21) / four["tcp4"]),
        "pppoe-discovery": _ether(PPPoED(code=9) / Raw(bytes(4))),
    }


def _jumbo() -> dict[str, Layer]:
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Dot1Q
    from scapy.packet import Raw

    four = IP(src=IP4_SRC, dst=IP4_DST)
    six = IPv6(src=IP6_SRC, dst=IP6_DST)
    tcp = TCP(sport=SPORT, dport=DPORT, flags="A")
    return {
        "jumbo-udp4": _ether(four / UDP(sport=SPORT, dport=53) / Raw(bytes(8972))),
        "jumbo-tcp6": _ether(six / tcp / Raw(bytes(8940))),
        "jumbo-tcp4-vlan": _ether(Dot1Q(vlan=100) / four / tcp / Raw(bytes(8960))),
    }


# ------------------------------------------------------------------------------ their facts


def facts_of(layers: Layer) -> Facts:
    """Return the facts of a scapy packet that begins with an Ethernet or an IP header.

    Read from its layers as it was put together, not from its bytes.
    """
    facts = Facts(length=len(layers))
    for layer in _each(layers):
        more = _add(facts, layer)
        if more is None:
            break
        facts = more
        if facts.inner is not None:
            break
    return facts


def _each(layer: Layer) -> Iterator[Layer]:
    while layer.name != "NoPayload":
        yield layer
        layer = layer.payload


def _add(facts: Facts, layer: Layer) -> Facts | None:
    """Return the facts with those of one more layer, None where there are no more."""
    match type(layer).__name__:
        case "Ether":
            return replace(facts, ethertype=layer.type)
        case "Dot1Q" | "Dot1AD":
            tag = Tag(facts.ethertype or 0, layer.vlan, layer.prio)
            return replace(facts, tags=(*facts.tags, tag), ethertype=layer.type)
        case "IP" | "IPv6" if facts.version is not None:
            return replace(facts, tunnel="ipip", inner=facts_of(layer))
        case "IP":
            seen = replace(facts, version=4, src=layer.src, dst=layer.dst, protocol=layer.proto)
            return replace(seen, fragment=_fragment(layer.frag, "MF" in layer.flags))
        case "IPv6":
            return replace(facts, version=6, src=layer.src, dst=layer.dst, protocol=layer.nh)
        case "IPv6ExtHdrFragment":
            part = _fragment(layer.offset, layer.m) or Fragment.ATOMIC
            return replace(_extended(facts, layer), fragment=part)
        case "IPv6ExtHdrHopByHop" | "IPv6ExtHdrRouting" | "IPv6ExtHdrDestOpt":
            return _extended(facts, layer)
        case "AH" if facts.version == 6:
            return _extended(facts, layer)
        case "TCP":
            ports = replace(facts, sport=layer.sport, dport=layer.dport)
            return replace(ports, tcp_flags=int(layer.flags))
        case "UDP" | "SCTP":
            return replace(facts, sport=layer.sport, dport=layer.dport)
        case "VXLAN" | "GENEVE" | "GRE" | "MPLS" | "PPPoE" | "GTP_U_Header" as name:
            tunnel = {"GTP_U_Header": "gtp"}.get(name, name.lower())
            inside = next(x for x in _each(layer) if type(x).__name__ in {"Ether", "IP", "IPv6"})
            return replace(facts, tunnel=tunnel, inner=facts_of(inside))
    return None


def _extended(facts: Facts, layer: Layer) -> Facts:
    assert facts.protocol is not None
    return replace(facts, extensions=(*facts.extensions, facts.protocol), protocol=layer.nh)


def _fragment(offset: int, more: bool) -> Fragment | None:
    if offset:
        return Fragment.LATER
    return Fragment.FIRST if more else None
