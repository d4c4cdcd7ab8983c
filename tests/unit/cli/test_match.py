from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netbpf.observe.capture import Record
from tests.unit.cli.conftest import Cli
from tests.unit.observe.files import enhanced, interface, option, pcap, record, section
from tests.unit.observe.test_pcap import records_of

HEAD = bytes.fromhex("020000000002 020000000001")
ARP = HEAD + bytes.fromhex("0806") + bytes(28)
IP_HEAD = bytes.fromhex("45000028000000004006000001020304 05060708")
TCP80 = HEAD + bytes.fromhex("0800") + IP_HEAD + bytes.fromhex("1000 0050").ljust(20, b"\0")
TCP81 = HEAD + bytes.fromhex("0800") + IP_HEAD + bytes.fromhex("1000 0051").ljust(20, b"\0")
RAW80 = TCP80[14:]

FILE = pcap(record(ARP), record(TCP80, time=(5, 7)), record(TCP81), record(TCP80, length=1500))


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "in.pcap"
    path.write_bytes(FILE)
    return str(path)


@pytest.mark.parametrize("target", ["interp", "cbpf"])
def test_lines(cli: Cli, capture: str, target: str) -> None:
    lines = (
        "       1  1970-01-01 00:00:05.000007  54 bytes\n"
        "       3  2023-11-14 22:13:20.000005  1500 bytes\n"
    )
    result = cli("match", "-r", capture, "--target", target, "tcp port 80")
    assert result == (0, lines, "netbpf: 2 of 4 packets match\n")


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("tcp port 80", [1, 3]),
        ("", [0, 1, 2, 3]),
        ("udp", []),
        ("greater 1000", [3]),  # the length on the wire, though 54 bytes were captured
        ("not port 80", [0, 2]),
    ],
)
@pytest.mark.parametrize("target", ["interp", "cbpf"])
def test_json(cli: Cli, capture: str, target: str, text: str, indices: list[int]) -> None:
    shown = cli("match", "-r", capture, "--json", "--target", target, text)
    assert json.loads(shown.out) == {"packets": 4, "matched": len(indices), "indices": indices}


def test_count(cli: Cli, capture: str) -> None:
    assert cli("match", "-r", capture, "--count", "ip") == (0, "3\n", "")


def test_a_note_on_what_the_kernel_was_not_asked(cli: Cli, capture: str) -> None:
    shown = cli("match", "-r", capture, "--count", "--target", "cbpf", "greater 1000")
    assert shown.out == "1\n"
    assert shown.err.startswith("netbpf: 1 packets the kernel cannot be shown as they are")


def test_both_dialects(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "vlan.pcap"
    path.write_bytes(pcap(record(TCP80[:12] + bytes.fromhex("81000064") + TCP80[12:])))
    assert cli("match", "-r", str(path), "--count", "tcp port 80").out == "1\n"
    assert cli("match", "-r", str(path), "--count", "--pcap-compat", "tcp port 80").out == "0\n"


def test_standard_input() -> None:
    code = "from netbpf.cli.main import main; main(['match', '-r', '-', '--count', 'ip'])"
    done = subprocess.run([sys.executable, "-c", code], input=FILE, capture_output=True, check=True)
    assert done.stdout == b"3\n"


class TestWriting:
    def test_copies_what_matches(self, cli: Cli, capture: str, tmp_path: Path) -> None:
        out = tmp_path / "out.pcap"
        shown = cli("match", "-r", capture, "-w", str(out), "tcp port 80")
        assert shown == (0, "", "netbpf: 2 of 4 packets match\n")
        assert out.read_bytes() == pcap(record(TCP80, time=(5, 7)), record(TCP80, length=1500))

    def test_a_file_without_packets_is_one_too(
        self, cli: Cli, capture: str, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.pcap"
        cli("match", "-r", capture, "-w", str(out), "udp")
        assert out.read_bytes() == pcap()

    def test_to_standard_output(self, capture: str) -> None:
        code = (
            f"from netbpf.cli.main import main;main(['match', '-r', {capture!r}, '-w', '-', 'arp'])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert done.stdout == pcap(record(ARP))

    def test_not_where_it_is_read(self, cli: Cli, capture: str) -> None:
        result = cli("match", "-r", capture, "-w", capture, "ip")
        assert (result.code, result.err) == (
            2,
            f"netbpf: -w {capture} is the file that is read\n",
        )
        assert Path(capture).read_bytes() == FILE

    def test_nowhere(self, cli: Cli, capture: str, tmp_path: Path) -> None:
        result = cli("match", "-r", capture, "-w", str(tmp_path / "no" / "out"), "ip")
        assert result.code == 1
        assert "No such file or directory" in result.err

    @pytest.mark.parametrize("other", ["--json", "--count"])
    def test_not_two_things_to_standard_output(self, cli: Cli, capture: str, other: str) -> None:
        assert cli("match", "-r", capture, "-w", "-", other, "ip").code == 2

    def test_keeps_nanoseconds(self, cli: Cli, tmp_path: Path) -> None:
        given, out = tmp_path / "given", tmp_path / "out"
        given.write_bytes(pcap(record(TCP80, time=(5, 123_456_789)), magic=0xA1B23C4D))
        cli("match", "-r", str(given), "-w", str(out), "ip")
        assert out.read_bytes() == given.read_bytes()


SEVERAL = section() + interface(1) + interface(101, options=option(9, b"\x09"))
SEVERAL += enhanced(TCP80, number=0) + enhanced(RAW80, number=1) + enhanced(TCP81, number=0)


class TestSeveralLinkTypes:
    @pytest.fixture
    def several(self, tmp_path: Path) -> str:
        path = tmp_path / "in.pcapng"
        path.write_bytes(SEVERAL)
        return str(path)

    @pytest.mark.parametrize("target", ["interp", "cbpf"])
    def test_each_packet_by_its_own(self, cli: Cli, several: str, target: str) -> None:
        shown = cli("match", "-r", several, "--json", "--target", target, "tcp dst port 80")
        assert json.loads(shown.out)["indices"] == [0, 1]

    def test_written_as_pcapng(self, cli: Cli, several: str, tmp_path: Path) -> None:
        out = tmp_path / "out.pcapng"
        assert cli("match", "-r", several, "-w", str(out), "tcp").code == 0
        assert [(r.data, r.linktype) for r in records_of(out)] == [
            (TCP80, 1), (RAW80, 101), (TCP81, 1),
        ]  # fmt: skip

    def test_not_written_as_pcap(self, cli: Cli, several: str, tmp_path: Path) -> None:
        result = cli("match", "-r", several, "-w", str(tmp_path / "out.pcap"), "tcp")
        assert result.code == 1
        assert "packets of one link type" in result.err
        assert cli("match", "-r", several, "-w", str(tmp_path / "o"), "tcp port 81").code == 0


class TestDamage:
    def test_what_was_before_is_reported(self, cli: Cli, tmp_path: Path) -> None:
        path = tmp_path / "cut.pcap"
        path.write_bytes(FILE[:-1])
        result = cli("match", "-r", str(path), "--json", "ip")
        assert json.loads(result.out) == {"packets": 3, "matched": 2, "indices": [1, 2]}
        assert result.code == 1
        assert result.err.startswith(f"netbpf: {path}: ends within the packet record at byte ")

    def test_an_unknown_link_type(self, cli: Cli, tmp_path: Path) -> None:
        path = tmp_path / "wlan.pcap"
        path.write_bytes(pcap(record(bytes(40)), network=105))
        result = cli("match", "-r", str(path), "ip")
        assert result.code == 1
        assert result.err.startswith(f"netbpf: {path}: has link type 105, which netbpf does not")

    def test_a_bad_expression_even_without_packets(self, cli: Cli, tmp_path: Path) -> None:
        path = tmp_path / "empty.pcap"
        path.write_bytes(pcap())
        assert cli("match", "-r", str(path), "tcp prot 80").code == 2
        assert cli("match", "-r", str(path), "--json", "tcp").out == (
            '{"indices": [], "packets": 0, "matched": 0}\n'
        )

    def test_no_capture(self, cli: Cli, tmp_path: Path) -> None:
        assert cli("match", "-r", str(tmp_path / "no"), "ip").code == 1
        assert cli("match", "ip").code == 2


def test_warnings_come_once(cli: Cli, capture: str) -> None:
    result = cli("match", "-r", capture, "--count", "ip and not ip")
    assert result == (0, "0\n", "netbpf: warning: the expression rejects all packets\n")


def test_live_words_mean_nothing_in_a_file(cli: Cli, capture: str) -> None:
    for target in ("interp", "cbpf"):
        assert cli("match", "-r", capture, "--target", target, "outbound").code == 2


def test_many_packets(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap(*[record(TCP80), record(ARP)] * 6000))
    shown = cli("match", "-r", str(path), "--json", "--target", "cbpf", "arp")
    assert json.loads(shown.out)["indices"] == list(range(1, 12000, 2))
    lines = cli("match", "-r", str(path), "arp").out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, 12000, 2))
    assert records_of(path)[0] == Record(TCP80, 54, 1_700_000_000_000_005_000, 1)


def test_a_reader_that_has_seen_enough_is_told_no_total(tmp_path: Path) -> None:
    path = tmp_path / "many.pcap"
    path.write_bytes(pcap(*[record(TCP80)] * 20_000))
    start = "from netbpf.cli.main import main; main()"
    command = [sys.executable, "-c", start, "match", "-r", str(path), "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
