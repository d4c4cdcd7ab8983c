"""How long the classic BPF of the pcap dialect is, next to what libpcap's optimiser makes.

It is never longer, but where libpcap's is wrong: its optimiser drops or moves checks of the
packet's length, and a packet that is cut off there gets another verdict than without it. Each such
expression stands in LONGER, and is there proved by such a packet.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from netbpf.compiler import Options, compile_classic
from netbpf.expr.names import SystemResolver
from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType
from netbpf.spec import ClassicFilter
from tests.support import cbpf_vm
from tests.support.libpcap import Libpcap, libpcap
from tests.support.mutate import Mutant, packets_for
from tests.support.tools import require_shared

LENGTHS = {
    # of `tcpdump -d` listings (libpcap 1.10)
    "ip": 4,
    "arp": 4,
    "ip6": 4,
    "tcp": 12,
    "icmp": 6,
    "not tcp": 12,
    "tcp or udp": 13,
    "icmp or arp": 7,
    "tcp port 80": 20,
    "tcp dst port 80": 16,
    "port 53": 24,
    "udp port 53": 20,
    "sctp port 5060": 20,
    "ip6 and udp port 53": 10,
    "(tcp or udp) and port 53": 23,
    "src port 1024 and dst port 80": 24,
    "port 443 and tcp": 22,
    "port 80 and port 443": 30,
    "host 10.0.0.1 and host 10.0.0.2": 20,
    "tcp port 80 or udp port 53": 33,
    "portrange 1000-2000": 27,
    "host 10.0.0.1": 14,
    "src host 10.0.0.1": 10,
    "host 10.0.0.1 and tcp port 80": 17,
    "tcp and host 192.168.1.1 and port 22": 17,
    "port 80 and not host 10.0.0.1": 28,
    "ip6 host 2001:db8::1": 20,
    "net 10.0.0.0/8": 18,
    "net 10.0.0.0/8 and not port 22": 29,
    "dst net 192.168.0.0/16 and src net 10.0.0.0/8": 18,
    "ether host 00:11:22:33:44:55": 10,
    "ether src 00:11:22:33:44:55 and ip": 8,
    "ether multicast": 4,
    "broadcast": 6,
    "ip multicast": 6,
    "vlan 100 and tcp port 80": 27,
    "mpls 100": 7,
    "pppoes": 4,
    "stp": 6,
    "greater 100": 4,
    "len > 100 and ip": 6,
    "ip[0] & 0xf != 5": 7,
    "ip[6:2] & 0x1fff = 0": 6,
    "udp[8:2] = 0x1234": 11,
    "tcp[tcpflags] & tcp-syn != 0": 11,
    "tcp[tcpflags] & tcp-syn != 0 and port 443": 15,
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.0.0.0/8": 17,
    "icmp[icmptype] = icmp-echo or icmp[icmptype] = icmp-echoreply": 12,
    "not arp and not icmp and not (udp port 53 or udp port 67 or udp port 123) "
    "and not ether broadcast": 32,
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)": 30,
}


LISTS = {
    # the elements of a long one, and the length of libpcap's
    "16 sources": ([f"src host 10.0.0.{n}" for n in range(1, 32, 2)], 25),
    "100 hosts": ([f"host 10.0.{n}.1" for n in range(100)], 361),
    "100 ports": ([f"port {n}" for n in range(1, 400, 4)], 378),
    "200 networks": ([f"net 10.{n}.0.0/24" for n in range(200)], 3123),
}


@dataclass(frozen=True)
class Longer:
    """What takes libpcap fewer instructions than it should."""

    text: str
    theirs: int
    ours: int
    linktype: LinkType = LinkType.EN10MB

    def __str__(self) -> str:
        return f"{self.text} on {self.linktype.name}"


REST = "does not look whether the rest of an address is there, of which any value will do"
ORDER = "tests all sources before it loads a destination, and matches what ends in between"
ALWAYS = "does not load what is matched whatever it is"

LONGER = {
    ORDER: (
        Longer("host 10.0.0.1 or host 10.0.0.2", 17, 20),
        Longer("port 80 or port 443 or port 8080", 30, 33),
    ),
    REST: (
        Longer("net 2001:db8::/32", 8, 11),
        *(
            Longer(text, theirs, ours, LinkType.RAW)
            for text, theirs, ours in (
                ("ip dst net 0.0.0.0/0", 5, 6),
                ("ip6 net fe80::/10", 11, 14),
                ("ip6 src or dst net fe80::/10", 11, 14),
                ("ip6 net fe80::0.0.0.0/10", 11, 14),
                ("ip6 src net 2000::/3", 8, 9),
                ("ip6 src net 2000::0.0.0.0/3", 8, 9),
                ("ip6 dst net ::/0", 5, 6),
                ("ip6 dst net ::0.0.0.0/0", 5, 6),
                ("ip6 dst net ff00::/8", 8, 9),
                ("ip6 dst net ff11:2233:4400::/40", 10, 11),
            )
        ),
    ),
    ALWAYS: (
        Longer("igmp or ip", 1, 2, LinkType.IPV4),
        Longer("igmp or not ip6", 1, 2, LinkType.IPV4),
        Longer("link[0:1] & 0x00000000 == 0", 1, 2, LinkType.RAW),
        Longer("link[0:4] & 0x00000000 == 0", 1, 2, LinkType.RAW),
    ),
}
"""By what libpcap's optimiser does."""

ALL_LONGER = [one for group in LONGER.values() for one in group]


@dataclass(frozen=True)
class Case:
    """A row of the data: an accepted expression, and the length of libpcap's optimised code."""

    text: str
    linktype: LinkType
    netmask: int | None
    live: bool
    theirs: int


def compiled(
    text: str,
    linktype: LinkType = LinkType.EN10MB,
    netmask: int | None = None,
    *,
    live: bool = False,
) -> ClassicFilter:
    options = Options(
        dialect=Dialect.PCAP,
        linktype=linktype,
        netmask=netmask,
        live=live,
        resolver=SystemResolver(),
    )
    return compile_classic(text, options)


@pytest.mark.parametrize("text", LENGTHS)
def test_no_longer_than_libpcap(text: str) -> None:
    assert len(compiled(text).insns) <= LENGTHS[text]


@pytest.mark.parametrize(("elements", "theirs"), LISTS.values(), ids=LISTS)
def test_long_lists(elements: list[str], theirs: int) -> None:
    assert len(compiled(" or ".join(elements)).insns) <= theirs


@pytest.mark.parametrize("longer", ALL_LONGER, ids=str)
def test_longer_by_no_more_than_the_checks(longer: Longer) -> None:
    assert longer.ours > longer.theirs
    assert len(compiled(longer.text, longer.linktype).insns) == longer.ours


@pytest.mark.parametrize("longer", ALL_LONGER, ids=str)
def test_longer_only_where_libpcap_is_wrong(longer: Longer) -> None:
    library = libpcap()
    if library is None:
        pytest.skip("libpcap is not installed")
    packet, verdict = misjudged(library, longer)
    ours = compiled(longer.text, longer.linktype).insns
    assert bool(cbpf_vm.run(ours, packet.data, packet.length)) == verdict


def test_libpcaps_own_cases() -> None:
    excused = {(one.text, one.linktype) for one in ALL_LONGER}
    longer: list[str] = []
    ours, theirs, count = Counter[LinkType](), Counter[LinkType](), Counter[LinkType]()
    for case in cases():
        insns = compiled(case.text, case.linktype, case.netmask, live=case.live).insns
        ours[case.linktype] += len(insns)
        theirs[case.linktype] += case.theirs
        count[case.linktype] += 1
        if len(insns) > case.theirs and (case.text, case.linktype) not in excused:
            longer.append(f"{case}: {len(insns)}")
    assert not longer, "\n".join(longer)
    assert count[LinkType.EN10MB] > 170
    assert ours[LinkType.EN10MB] < theirs[LinkType.EN10MB]
    assert ours.total() < theirs.total()


def cases() -> Iterator[Case]:
    for row in json.loads(require_shared("libpcap_cases.json").read_text()):
        theirs = row.get("opt_insns")
        if not row["accept"] or theirs is None or row["linktype"] not in LinkType.__members__:
            continue
        if "protochain" in row["expr"]:
            continue  # which is a loop in libpcap, that no kernel accepts
        mask = row.get("netmask")
        number = int(ipaddress.IPv4Address(mask)) if mask else None
        live = row.get("linux_extensions", False)
        yield Case(row["expr"], LinkType[row["linktype"]], number, live, theirs)


def misjudged(library: Libpcap, longer: Longer) -> tuple[Mutant, bool]:
    """Return a cut-off packet that libpcap's optimiser changes the verdict on, and what it was."""
    text, linktype = longer.text, longer.linktype
    with (
        library.compiled(text, linktype=linktype) as plain,
        library.compiled(text, linktype=linktype, optimise=True) as optimised,
    ):
        assert len(optimised.insns) == longer.theirs
        for packet in packets_for(optimised.insns, count=2000):
            for cut in range(len(packet.data)):
                data = packet.data[:cut]
                verdict = plain.run(data, packet.length)
                if optimised.run(data, packet.length) != verdict:
                    return Mutant(data, packet.length), verdict
    raise AssertionError(f"no packet shows that the {longer.theirs} instructions are wrong")
