from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netbpf.errors import CodeSizeError, Span
from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_match import ARP, RAW80, TCP80, TCP81
from tests.unit.observe.files import pcap, record

PCAP = "--pcap-compat"


def explained(cli: Cli, *arguments: str) -> Any:
    result = cli("explain", "--json", *arguments)
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "always: an empty expression matches every packet"),
        ("tcp", "it is TCP"),
        ("ip6", "it is IPv6"),
        ("tcp dst port 80", "the TCP destination port is 80"),
        ("port http", "the TCP, UDP or SCTP source or destination port is http (80)"),
        ("udp src portrange 1-9", "the UDP source port is in 1-9"),
        ("port in {80, 443}", "the TCP, UDP or SCTP source or destination port is in {80, 443}"),
        ("host 10.0.0.1", "the source or destination address is 10.0.0.1"),
        ("src and dst host 1.2.3.4", "the source and the destination address is 1.2.3.4"),
        ("ip6 dst host ::1", "the IPv6 destination address is ::1"),
        ("ether src 1:2:3:4:5:6", "the link-layer source address is 1:2:3:4:5:6"),
        ("net 10.0.0.0/8", "the source or destination address is in 10.0.0.0/8"),
        ("ip proto 47", "the IPv4 protocol is 47"),
        ("ip6 protochain 6", "the chain of headers has protocol 6"),
        ("len > 100", "len is more than 100"),
        ("tcp[13] & 2 != 0", "tcp[13] & 2 is not 0"),
        ("less 64", "it is at most 64 bytes long on the wire"),
        ("greater 64", "it is at least 64 bytes long on the wire"),
        ("ether broadcast", "it is sent to the link-layer broadcast address"),
        ("ip multicast", "it is sent to an IPv4 multicast address"),
        ("vlan", "it has a VLAN tag"),
        ("vlan 5", "it has a VLAN tag with VLAN id 5"),
        ("vlan in {5, 7-9}", "it has a VLAN tag with VLAN id in {5, 7-9}"),
        ("mpls 7", "it has an MPLS label with label 7"),
        ("vxlan 42 port 8472", "it has a VXLAN header with VNI 42 on UDP port 8472"),
        ("vxlan and inner (ip)", "it has a VXLAN header and of the packet inside (it is IPv4)"),
        ("tcp flags syn,!ack", "it is a TCP segment with syn set, ack clear"),
        ("frag first", "it is the first of several fragments"),
        ('payload starts "GET "', "its payload starts with b'GET '"),
        ("llc", "it is an LLC frame"),
        ("not ip", "not (it is IPv4)"),
        ("ip and arp or tcp", "(it is IPv4 and it is ARP) or it is TCP"),
        ("ip or arp and tcp or udp", "((it is IPv4 or it is ARP) and it is TCP) or it is UDP"),
        ("ip and (arp or tcp)", "it is IPv4 and (it is ARP or it is TCP)"),
    ],
)  # fmt: skip
def test_in_words(cli: Cli, text: str, words: str) -> None:
    assert explained(cli, text)["words"] == words


def test_tree(cli: Cli) -> None:
    tree = explained(cli, PCAP, "ip and not (udp or arp)")["tree"]
    assert [(row["depth"], row["is"], row["text"], row["span"]) for row in tree] == [
        (0, "and", "ip and not (udp or arp)", [0, 23]),
        (1, "it is IPv4", "ip", [0, 2]),
        (1, "not", "not (udp or arp)", [7, 23]),
        (2, "or", "(udp or arp)", [11, 23]),
        (3, "it is UDP", "udp", [12, 15]),
        (3, "it is ARP", "arp", [19, 22]),
    ]


def test_listing_points_into_the_expression(cli: Cli) -> None:
    listing = explained(cli, PCAP, "ip or arp")["listing"]
    texts = [row["text"] for row in listing]
    assert texts[0] == "ip"
    assert texts[-2:] == ["", ""]  # the two verdicts are nobody's in particular
    assert set(texts) <= {"ip", "arp", "ip or arp", ""}


@pytest.mark.parametrize(
    ("text", "dialect", "warning"),
    [
        ("ip or arp and tcp", "", "`and` and `or` bind alike"),
        ("port 80", "", "later fragments of a packet carry no port"),
        ("not port 80", "", "`not port` matches whatever has no port"),
        ("host 1.2.3.4", "", "`host` and `net` match ARP and RARP"),
        ("(mpls 5) and ip", "", "what follows the parenthesis looks at the outer packet"),
        ("vlan 5 or tcp", PCAP, "`vlan 5` moves the offsets of everything to its right"),
        ("tcp", PCAP, "IPv6 packets with extension headers do not match"),
        ("tcp[0] = 1", PCAP, "look at IPv4 only"),
        ("ip", PCAP, "frames with a VLAN tag are not looked into"),
        ("ip and not ip", "", "rejects all packets"),
    ],
)
def test_traps(cli: Cli, text: str, dialect: str, warning: str) -> None:
    found = explained(cli, *([dialect] if dialect else []), text)["warnings"]
    assert any(warning in one for one in found), found


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("ip and arp or tcp", ""),
        ("ip and tcp", ""),
        ("ip host 1.2.3.4", ""),
        ("src net in {10.0.0.0/8} and ip", ""),
        ("vlan 5 or tcp", ""),
        ("mpls 5 and ip", ""),
        ("", PCAP),
        ("vlan and ip", PCAP),
    ],
)
def test_no_false_alarm(cli: Cli, text: str, dialect: str) -> None:
    found = explained(cli, *([dialect] if dialect else []), text)["warnings"]
    allowed = ("match ARP", "moves the offsets")
    assert not [one for one in found if not any(word in one for word in allowed)]


class TestPacket:
    @pytest.fixture
    def capture(self, tmp_path: Path) -> str:
        path = tmp_path / "in.pcap"
        path.write_bytes(pcap(record(ARP), record(TCP80), record(TCP81[:30], length=54)))
        return str(path)

    @pytest.mark.parametrize(
        ("number", "verdict", "last"),
        [
            (0, "no match", "verdict: no match"),
            (1, "match", "verdict: match"),
            (2, "no match", "too short: no match"),
        ],
    )
    def test_path_and_verdict(
        self, cli: Cli, capture: str, number: int, verdict: str, last: str
    ) -> None:
        arguments = (PCAP, "tcp dst port 80", "-r", capture, "-n", str(number))
        packet = explained(cli, *arguments)["packet"]
        assert packet["verdict"] == verdict
        assert packet["index"] == number
        end = packet["steps"][-1]
        assert last in (end["step"], end["result"]) or "not there" in end["result"]
        shown = cli("explain", *arguments)
        assert shown.out.endswith(f"\nVerdict: {verdict}\n")

    def test_cut_packets_are_told_as_such(self, cli: Cli, capture: str) -> None:
        packet = explained(cli, PCAP, "tcp", "-r", capture, "-n", "2")["packet"]
        assert (packet["captured"], packet["length"]) == (30, 54)

    def test_link_type_of_the_file(self, cli: Cli, tmp_path: Path) -> None:
        path = tmp_path / "raw.pcap"
        path.write_bytes(pcap(record(RAW80), network=101))
        report = explained(cli, "tcp dst port 80", "-r", str(path), "-n", "0")
        assert (report["linktype"], report["packet"]["verdict"]) == ("RAW", "match")

    def test_no_such_packet(self, cli: Cli, capture: str) -> None:
        result = cli("explain", "ip", "-r", capture, "-n", "3")
        assert (result.code, result.err) == (
            1,
            f"netbpf: {capture}: has no packet 3 (the first is 0)\n",
        )

    @pytest.mark.parametrize("given", [("-r", "x"), ("-n", "0")])
    def test_both_options(self, cli: Cli, given: tuple[str, str]) -> None:
        assert cli("explain", "ip", *given).code == 2


def test_text(cli: Cli) -> None:
    shown = cli("explain", PCAP, "ip")
    assert shown.out.splitlines() == [
        "In words: a packet matches when it is IPv4",
        "",
        "As a tree:",
        "  it is IPv4  ip",
        "",
        "As classic BPF (EN10MB):",
        "  (000) ldh      [12]                           ip",
        '  (001) jeq      #0x800           jt 2    jf 3  "',
        "  (002) ret      #262144",
        "  (003) ret      #0",
        "",
        "Mind that:",
        "  - frames with a VLAN tag are not looked into without `vlan` (libpcap's way)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "not " * 10_000 + "ip",
        "(" * 10_000 + "ip" + ")" * 10_000,
        "not (ip or " * 1000 + "arp" + ")" * 1000,
    ],
    ids=["nots", "parentheses", "nested"],
)  # fmt: skip
def test_depth_is_no_problem(cli: Cli, text: str) -> None:
    result = cli("explain", "--no-names", text)
    assert result.code in (0, 2)
    assert "defect" not in result.err


def test_too_large_for_classic_bpf(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str, *_: object) -> None:
        raise CodeSizeError("5000 instructions are too many", text=text, span=Span(0, 1))

    monkeypatch.setattr("netbpf.compiler.compile_classic", refuse)
    result = cli("explain", "ip")
    assert result.code == 0
    assert "\nNo classic BPF: 5000 instructions are too many\n" in result.out
