"""`netbpf bench`: every hook has its row, and the page says what is in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import REPOSITORY
from tests.unit.observe.files import pcap, record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

MAY_GOTO = pytest.mark.needs_kernel("loops by may_goto", since="6.9")


@pytest.mark.root
@MAY_GOTO
def test_every_hook_is_timed(cli: Cli) -> None:
    report = json.loads(cli("bench", "--json", "--turns", "4", "tcp dst port 80").out)
    assert [(row["hook"], row["code"]) for row in report["rows"]] == [
        ("xdp", "ebpf"),
        ("tc", "ebpf"),
        ("socket", "ebpf"),
        ("socket", "cbpf"),
    ]
    for row in report["rows"]:
        assert row["match"]["floor"] > 0
        assert row["insns"] > 10
        assert (row["jit_bytes"] is None) == (row["code"] == "cbpf")
        assert ("mix" in row) == (row["hook"] == "xdp")
    assert report["packets"] == {"match": "http-get", "no_match": "http-reply", "mix": 50}
    assert report["rows"][0]["mix"]["least"] > report["rows"][0]["match"]["least"]
    text = (REPOSITORY / "docs" / "commands" / "bench.md").read_text()
    shape = re.findall(r"`(\{\"expr\".*\})`", text)[0]
    named = set(re.findall(r'"(\w+)"', shape))
    row = report["rows"][0]
    assert named == {*report, *report["packets"], *row, *row["match"]}


@pytest.mark.root
@MAY_GOTO
def test_packets_come_from_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap(record(bytes(60)), record(bytes(4000)), record(b"\1" * 80)))
    given = ("bench", "--json", "--turns", "4", "-r", str(path))
    report = json.loads(cli(*given, "ether[0] = 1").out)
    assert report["packets"] == {"match": "2", "no_match": "0", "mix": 2}
    report = json.loads(cli(*given, "ether[0] = 7").out)
    assert report["packets"]["match"] is None
    assert all("match" not in row for row in report["rows"])


def test_a_file_without_a_frame_that_fits_is_an_error(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap(record(bytes(4000))))
    result = cli("bench", "-r", str(path), "ip")
    assert result.code == 1
    assert "has no Ethernet frame" in result.err


@pytest.mark.root
@MAY_GOTO
def test_what_is_too_long_for_a_socket_is_left_out(cli: Cli, tmp_path: Path) -> None:
    members = tmp_path / "members"
    members.write_text("\n".join(f"10.{n >> 8}.{n & 255}.{n * 7 & 255}" for n in range(4000)))
    given = ("bench", "--json", "--turns", "4", "--set", f"b={members}")
    result = cli(*given, "src host in @b")
    assert "4096" in result.err
    rows = json.loads(result.out)["rows"]
    assert [row["code"] for row in rows] == ["ebpf"] * 3
