from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from netbpf import compiler
from netbpf.cli import probes, safety
from netbpf.cli.probes import Addresses
from netbpf.cli.safety import Cut, cut_by
from netbpf.expr.names import NoNames
from netbpf.kernel.interface import Interface
from netbpf.proto.linktype import LinkType
from netbpf.spec import Action, Target

ETHER, NONE = 1, 0xFFFE  # ARPHRD_ of an Ethernet card and of a tun device
HOOKS = [Target.XDP, Target.TC, Target.TC_EGRESS]
OWN, PEER = bytes.fromhex("020000000001"), bytes.fromhex("02000000000a")
SESSION = Addresses("192.0.2.2", 50000, "192.0.2.1", 22)
SESSION6 = Addresses("2001:db8::2", 50000, "2001:db8::1", 22)


@pytest.fixture(autouse=True)
def _world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "hardware_address", lambda _: OWN)
    monkeypatch.setattr(safety, "neighbour_mac", lambda _: PEER)
    monkeypatch.setattr(safety, "ssh_sessions", list)


def cut(text: str, hook: Target, action: str, hardware: int = ETHER, name: str = "eth0") -> Cut:
    device = Interface(name, 7, hardware, 1500, True)
    options = compiler.Options(linktype=device.linktype, live=True, resolver=NoNames())
    program = compiler.to_ir(text, options, hook).program
    return cut_by(program, hook, Action(action), device)


ARP, ND = "ARP", "IPv6 neighbour discovery"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.value)
@pytest.mark.parametrize(
    ("action", "text", "neighbours"),
    [
        ("pass", "tcp port 80", (ARP, ND)),
        ("drop", "", (ARP, ND)),
        ("drop", "arp", (ARP,)),
        ("drop", "arp[6:2] = 2", (ARP,)),  # replies
        ("drop", "ether broadcast", (ARP,)),
        ("drop", "icmp6", (ND,)),
        ("drop", "icmp6[0] = 135", (ND,)),
        ("drop", "ip6 multicast", (ND,)),
        ("drop", "ip6 and not tcp", (ND,)),
        ("drop", "tcp port 80", ()),
        ("drop", "host 10.9.8.7", ()),
        ("pass", "arp or icmp6 or tcp", ()),
        ("count", "arp", ()),
    ],
)
def test_neighbour_discovery(
    hook: Target, action: str, text: str, neighbours: tuple[str, ...]
) -> None:
    assert set(cut(text, hook, action).neighbours) == set(neighbours)


@pytest.mark.parametrize(("hardware", "name"), [(NONE, "tun0"), (ETHER, "lo")])
def test_no_neighbours_where_there_are_no_addresses(hardware: int, name: str) -> None:
    assert cut("", Target.TC, "drop", hardware, name).neighbours == ()


@pytest.mark.parametrize("session", [SESSION, SESSION6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("hook", "action", "text", "is_cut"),
    [
        (Target.XDP, "drop", "tcp port 22", True),
        (Target.XDP, "drop", "tcp dst port 22", True),
        (Target.XDP, "drop", "tcp src port 22", False),
        (Target.TC, "drop", "src port 50000", True),
        (Target.TC_EGRESS, "drop", "tcp src port 22", True),
        (Target.TC_EGRESS, "drop", "tcp dst port 22", False),
        (Target.XDP, "drop", "greater 1000", True),  # full segments
        (Target.XDP, "drop", "greater 2000", False),
        (Target.XDP, "drop", "less 90", True),  # bare acknowledgements
        (Target.XDP, "drop", "tcp[tcpflags] & tcp-push != 0", True),
        (Target.XDP, "drop", "tcp flags syn", False),
        (Target.XDP, "drop", "ether src 2:0:0:0:0:a", True),
        (Target.XDP, "drop", "ether dst 2:0:0:0:0:a", False),
        (Target.TC_EGRESS, "drop", "ether dst 2:0:0:0:0:a", True),
        (Target.TC, "drop", "ifindex 7", True),
        (Target.TC, "drop", "outbound", False),
        (Target.TC_EGRESS, "drop", "outbound", True),
        (Target.XDP, "pass", "tcp port 80", True),
        (Target.XDP, "pass", "tcp", False),
        (Target.XDP, "count", "tcp", False),
    ],
)
def test_session(
    monkeypatch: pytest.MonkeyPatch,
    session: Addresses,
    hook: Target,
    action: str,
    text: str,
    is_cut: bool,
) -> None:
    monkeypatch.setattr(safety, "ssh_sessions", lambda: [session])
    assert cut(text, hook, action).session == (session if is_cut else None)


def test_session_on_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "ssh_sessions", lambda: [SESSION])
    assert cut("tcp dst port 22", Target.TC, "drop", NONE, "tun0").session == SESSION


class TestSessions:
    """Which connections are those that the user sits on."""

    @pytest.fixture(autouse=True)
    def _undo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()

    @pytest.fixture
    def established(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(safety, "_established", lambda: {SESSION, SESSION6})

    @pytest.mark.usefixtures("established")
    @pytest.mark.parametrize(
        ("told", "found"),
        [
            ("192.0.2.2 50000 192.0.2.1 22", [SESSION]),
            ("2001:DB8:0::2 50000 2001:db8::1 22", [SESSION6]),
            ("::ffff:192.0.2.2 50000 ::ffff:192.0.2.1 22", [SESSION]),
            ("192.0.2.2 50001 192.0.2.1 22", []),
            ("", []),
            ("nonsense", []),
            ("a b c d", []),
            ("x 1 y 2", []),
        ],
    )
    def test_told_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, told: str, found: list[Addresses]
    ) -> None:
        monkeypatch.setenv("SSH_CONNECTION", told)
        monkeypatch.setattr(safety, "_ancestors", lambda: iter([os.getpid()]))
        assert safety.ssh_sessions() == found

    @pytest.mark.usefixtures("established")
    def test_told_by_an_ancestor_as_sudo_forgets(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        told = b"A=b\0SSH_CONNECTION=192.0.2.2 50000 192.0.2.1 22\0"
        environ = tmp_path / "environ"
        environ.write_bytes(told)
        monkeypatch.setattr(safety, "_ancestors", lambda: iter([os.getpid(), 1]))
        read = safety._environment
        monkeypatch.setattr(safety, "_environment", lambda _: read(environ))
        assert safety.ssh_sessions() == [SESSION]

    def test_ancestors(self) -> None:
        pids = list(safety._ancestors())
        assert pids[:2] == [os.getpid(), os.getppid()]
        assert 0 not in pids

    @pytest.mark.parametrize(
        ("raw", "end"),
        [
            ("0a000001", ("10.0.0.1", 22)),
            ("20010db8000000000000000000000001", ("2001:db8::1", 22)),
            ("00000000000000000000ffff0a000001", ("10.0.0.1", 22)),
        ],
    )
    def test_addresses_of_proc(self, raw: str, end: tuple[str, int]) -> None:
        """The kernel prints words in the machine's byte order."""
        words = struct.unpack(f"={len(raw) // 8}I", bytes.fromhex(raw))
        assert safety._end(f"{''.join(f'{word:08X}' for word in words)}:0016") == end


class TestProbes:
    """What is tried is what would come: scapy reads it."""

    @pytest.mark.parametrize("session", [SESSION, SESSION6])
    def test_segments(self, session: Addresses) -> None:
        from scapy.layers.inet import IP, TCP
        from scapy.layers.inet6 import IPv6
        from scapy.layers.l2 import Ether

        lengths = []
        for segment in probes.segments(session):
            frame = probes.framed(segment, LinkType.EN10MB, source=PEER, destination=OWN)
            packet = Ether(frame)
            assert (packet.src, packet.dst) == ("02:00:00:00:00:0a", "02:00:00:00:00:01")
            network = packet[IPv6] if ":" in session.source else packet[IP]
            assert (network.src, network.dst) == (session.source, session.destination)
            assert (network[TCP].sport, network[TCP].dport) == (50000, 22)
            assert network[TCP].dataofs == 8
            lengths.append(len(network[TCP].payload))
            assert probes.framed(segment, LinkType.RAW) == segment.data
        assert lengths[0] == 0
        assert lengths[2] > 1000

    def test_discovery(self) -> None:
        from scapy.layers import l2
        from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6
        from scapy.layers.l2 import Ether

        for reply in (False, True):
            frame = probes.framed(probes.arp("10.0.0.1", "10.0.0.2", reply=reply), LinkType.EN10MB)
            packet = Ether(frame)[l2.ARP]
            assert (packet.op, packet.psrc, packet.pdst) == (1 + reply, "10.0.0.1", "10.0.0.2")
            found = probes.neighbour("fe80::1", "fe80::1234:5678", reply=reply)
            message = Ether(probes.framed(found, LinkType.EN10MB))[IPv6]
            assert message.hlim == 255
            if reply:
                assert message[ICMPv6ND_NA].tgt == "fe80::1"
            else:
                assert message.dst == "ff02::1:ff34:5678"
                assert message[ICMPv6ND_NS].tgt == "fe80::1234:5678"
