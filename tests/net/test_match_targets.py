"""`netbpf match --target`: the kernel's verdicts on captures, and those it is not asked for."""

from __future__ import annotations

import json
import random
import time
from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from netbpf import compiler
from netbpf.cli.main import run
from netbpf.codegen.hooks import hook_for
from netbpf.errors import KernelError
from netbpf.kernel import progs
from netbpf.observe import judge_batch
from netbpf.observe.capture import ByteSource, Record, open_capture
from netbpf.observe.judge import Interpreter
from netbpf.observe.judge_batch import BatchJudge, PacketJudge
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import ProgFlag
from tests.support.packets import zoo
from tests.support.programs import FRAGS
from tests.support.tools import require_tool, scaled
from tests.unit.observe.files import enhanced, interface, pcap, record, section

if TYPE_CHECKING:
    from netbpf.observe.pcap import PcapReader

pytestmark = pytest.mark.root

KERNEL = ("cbpf", "xdp", "tc", "socket")
EXPRESSIONS = (
    "",
    "tcp dst port 80",
    "not (udp or icmp)",
    "len > 100 and len < 9000",
    "ip6 and tcp",
    "vlan and ip",
    "net 192.0.2.0/24 or arp",
    "udp[4:2] > 40",
)
OPTIONS = compiler.Options()
BATCHES_AT_XDP = pytest.mark.needs_kernel("XDP programs for jumbo frames")


def frames() -> list[Record]:
    """Every frame of the zoo, whole and cut, and what the kernel takes badly."""
    found = [frame.data for frame in zoo().values()]
    rng = random.Random(5)
    found += [data[: rng.randrange(len(data))] for data in found]
    found += [b"", b"\0", bytes(13), bytes(14), bytes(15), bytes(3400), bytes(3401)]
    tcp = zoo()["tcp4"].data if "tcp4" in zoo() else found[0]
    found += [tcp.ljust(size, b"x") for size in (1514, 3500, 4000, 9000, 9216, 9217, 20000, 65535)]
    records = [Record(data, len(data), 0, 1) for data in found]
    cut = [Record(data[:40], len(data), 0, 1) for data in found]
    mixed = records + cut
    rng.shuffle(mixed)
    return mixed


def matched(path: Path, target: str, text: str, capfd: pytest.CaptureFixture[str]) -> Any:
    capfd.readouterr()
    assert run(["match", "-r", str(path), "--target", target, "--json", text]) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("text", EXPRESSIONS)
@pytest.mark.parametrize("form", ["pcap", "big-endian", "pcapng"])
def test_all_targets_agree(
    form: str, text: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in"
    packets = frames()
    if form == "pcapng":
        body = b"".join(enhanced(p.data, length=p.length) for p in packets)
        path.write_bytes(section() + interface() + body)
    else:
        order = "<" if form == "pcap" else ">"
        body = b"".join(record(p.data, length=p.length, order=order) for p in packets)
        path.write_bytes(pcap(body, order=order, snaplen=262144))
    expected = matched(path, "interp", text, capfd)
    assert expected["packets"] == len(packets)
    for target in KERNEL:
        assert matched(path, target, text, capfd) == expected, target


def spec_for(target: Target, text: str) -> ProgramSpec:
    spec = compiler.compile(text, target=target, options=OPTIONS, frags=FRAGS)
    assert isinstance(spec, ProgramSpec)
    return spec


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        pytest.param(BatchJudge, Target.XDP, marks=BATCHES_AT_XDP),
        (BatchJudge, Target.TC),
        (PacketJudge, Target.XDP),
        (PacketJudge, Target.TC),
    ],
)
@pytest.mark.parametrize("text", ["tcp dst port 80", "len > 100"])
def test_the_kernel_is_asked_where_it_can_be(
    kind: type[BatchJudge | PacketJudge], target: Target, text: str
) -> None:
    program = compiler.to_ir(text, OPTIONS).program
    packets = frames()
    spec, code = spec_for(target, text), hook_for(target).drop
    expected = Interpreter(program).judge(packets)
    with kind(spec, program, match_code=code) as judge:
        assert judge.judge(packets) == expected
        first = judge.interpreted
        assert 0 < first < len(packets) // (1 if "len" in text else 3)
        assert judge.judge(packets) == expected  # it can be asked again
        assert judge.interpreted == 2 * first


@pytest.mark.parametrize(
    "target", [pytest.param(Target.XDP, marks=BATCHES_AT_XDP), Target.TC], ids=str
)
def test_a_wrong_verdict_would_be_seen(target: Target) -> None:
    """The verdicts come from the program: another program gives others."""
    program = compiler.to_ir("tcp", OPTIONS).program
    packets = [p for p in frames() if 60 < len(p.data) < 1500 and p.length == len(p.data)]
    with BatchJudge(spec_for(target, "udp"), program, match_code=hook_for(target).drop) as judge:
        assert judge.judge(packets) != Interpreter(program).judge(packets)
        assert judge.interpreted == 0


class TestFiles:
    """Records that go into the kernel as the file has them."""

    @pytest.fixture(
        params=[pytest.param(Target.XDP, marks=BATCHES_AT_XDP), Target.TC],
        ids=lambda target: target.value,
    )
    def judge(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(judge_batch, "_ROOM", 300_000)  # many pieces of a small file
        program = compiler.to_ir("tcp dst port 80", OPTIONS).program
        target: Target = request.param
        spec = spec_for(target, "tcp dst port 80")
        with BatchJudge(spec, program, match_code=hook_for(target).drop) as judge:
            yield judge, Interpreter(program)

    @staticmethod
    def read(path: Path, judge: Any) -> tuple[list[int], list[Record]]:
        verdicts: list[int] = []
        matching: list[Record] = []
        with ByteSource(str(path)) as source:
            reader: PcapReader = open_capture(source)  # type: ignore[assignment]
            for piece in judge.judge_file(reader):
                verdicts += piece.verdicts
                matching += piece.matching()
        return verdicts, matching

    def test_pieces_join(self, judge: Any, tmp_path: Path) -> None:
        batch, interpreter = judge
        packets = frames() * 3
        path = tmp_path / "in"
        path.write_bytes(pcap(*(record(p.data, length=p.length) for p in packets), snaplen=262144))
        verdicts, matching = self.read(path, batch)
        assert bytes(verdicts) == interpreter.judge(packets)
        with ByteSource(str(path)) as source:
            expected = [r for r, v in zip(open_capture(source), verdicts, strict=True) if v]
        assert matching == expected

    def test_more_short_packets_than_a_piece_has_room_for(self, judge: Any, tmp_path: Path) -> None:
        batch, _ = judge
        path = tmp_path / "in"
        path.write_bytes(pcap(record(b"") * 50_000, record(zoo_tcp80()), record(b"") * 5))
        verdicts, matching = self.read(path, batch)
        assert len(verdicts) == 50_006
        assert [index for index, verdict in enumerate(verdicts) if verdict] == [50_000]
        assert [r.data for r in matching] == [zoo_tcp80()]

    @BATCHES_AT_XDP
    def test_a_packet_over_the_snaplen_is_cut(self, tmp_path: Path) -> None:
        program = compiler.to_ir("tcp dst port 80", OPTIONS).program
        path = tmp_path / "in"
        path.write_bytes(pcap(record(zoo_tcp80()), snaplen=30))
        spec = spec_for(Target.XDP, "tcp dst port 80")
        code = hook_for(Target.XDP).drop
        with BatchJudge(spec, program, match_code=code, snaplen=30) as judge:
            assert self.read(path, judge)[0] == [0]


def zoo_tcp80() -> bytes:
    """Return a frame that `tcp dst port 80` matches."""
    wanted = [x for x in zoo().values() if x.facts.dport == 80 and x.facts.protocol == 6]
    return wanted[0].data


@pytest.mark.parametrize("target", KERNEL)
def test_damage(target: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in"
    for bad in (record(bytes(60))[:-1], record(b"")[:7], record(b"", captured=300_000)):
        good = pcap(record(zoo_tcp80()), record(bytes(60)))
        path.write_bytes(good + bad)
        assert run(["match", "-r", str(path), "--target", target, "--json", "tcp port 80"]) == 1
        shown = capfd.readouterr()
        assert json.loads(shown.out) == {"packets": 2, "matched": 1, "indices": [0]}
        assert f"at byte {len(good)}" in shown.err


def test_xdp_on_a_kernel_without_multi_buffer_frames(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = progs.load
    refused = []

    def old(image: progs.Image, **words: int) -> tuple[int, str]:
        if image.flags & ProgFlag.XDP_HAS_FRAGS:
            refused.append(image.name)
            raise KernelError("no", command="BPF_PROG_LOAD", errno=EINVAL)
        return load(image, **words)

    monkeypatch.setattr(progs, "load", old)
    path = tmp_path / "in"
    path.write_bytes(pcap(record(zoo_tcp80()), record(bytes(60))))
    assert run(["match", "-r", str(path), "--target", "xdp", "--json", "tcp port 80"]) == 0
    assert json.loads(capfd.readouterr().out) == {"packets": 2, "matched": 1, "indices": [0]}
    assert refused


@pytest.mark.slow
@pytest.mark.parametrize("target", [pytest.param("xdp", marks=BATCHES_AT_XDP), "tc"])
def test_speed_beside_tcpdump(
    target: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A large capture takes at most twelve times as long as tcpdump, which copies what matches."""
    import subprocess

    tcpdump = require_tool("tcpdump")
    path = tmp_path / "in"
    frame = record(zoo_tcp80().ljust(400, b"x"))
    with path.open("wb") as out:
        out.write(pcap())
        for _ in range(scaled(1000)):
            out.write(frame * 1000)
    words = ["tcp", "dst", "port", "81"]
    command = [tcpdump, "-Z", "root", "-r", str(path), "-w", "/dev/null", *words]
    theirs = best(lambda: subprocess.run(command, check=True, capture_output=True))
    ours = best(lambda: run(["match", "-r", str(path), "--target", target, "--count", *words]))
    assert capfd.readouterr().out.split()[-1] == "0"
    assert ours < 12 * theirs


def best(action: Any) -> float:
    """Return the seconds of the quickest of three runs."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)
