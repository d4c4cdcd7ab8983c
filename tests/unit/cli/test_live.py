from __future__ import annotations

import json
import re
import signal
import threading
import time

import pytest

from netbpf.cli import live, shapes, tables
from netbpf.cli.attaching import kept_name
from netbpf.cli.shapes import Where
from netbpf.cli.stopping import Stop
from netbpf.kernel.features import Feature
from netbpf.observe.counters import Counters, Entry, FlowKey, Table
from netbpf.spec import Key
from tests.unit.cli.conftest import Cli

WHERE = Where("web", "eth0", "xdp", "native")
FLOW6 = FlowKey(17, "2001:db8::1", 53, "2001:db8::2", 4000)
COUNTED = Counters(
    7,
    700,
    2,
    (
        Table(Key.PORT, (Entry(80, 5, 500), Entry(None, 2, 200)), 0),
        Table(Key.PROTO, (Entry(6, 5, 500), Entry(253, 1, 100), Entry(None, 1, 100)), 0),
        Table(Key.SRC, (Entry("10.0.0.1", 7, 700),), 3),
        Table(Key.FLOW, (Entry(FLOW6, 6, 600), Entry(FlowKey(1, "a", 0, "b", 0), 1, 100)), 0),
    ),
)


def test_json_shape() -> None:
    assert shapes.progress(1.5, WHERE, COUNTED, final=True) == {
        "t": 1.5,
        "name": "web",
        "iface": "eth0",
        "at": "xdp",
        "mode": "native",
        "packets": 7,
        "bytes": 700,
        "dropped": 2,
        "by": {
            "port": [
                {"key": 80, "packets": 5, "bytes": 500},
                {"key": None, "packets": 2, "bytes": 200},
            ],
            "proto": [
                {"key": "tcp", "packets": 5, "bytes": 500},
                {"key": "253", "packets": 1, "bytes": 100},
                {"key": None, "packets": 1, "bytes": 100},
            ],
            "src": [{"key": "10.0.0.1", "packets": 7, "bytes": 700}],
            "flow": [
                {
                    "key": "udp [2001:db8::1]:53 > [2001:db8::2]:4000",
                    "proto": "udp",
                    "src": "2001:db8::1",
                    "sport": 53,
                    "dst": "2001:db8::2",
                    "dport": 4000,
                    "packets": 6,
                    "bytes": 600,
                },
                {
                    "key": "icmp a > b",
                    "proto": "icmp",
                    "src": "a",
                    "sport": 0,
                    "dst": "b",
                    "dport": 0,
                    "packets": 1,
                    "bytes": 100,
                },
            ],
        },
        "evicted": {"src": 3},
        "final": True,
    }
    assert "final" not in shapes.progress(1.5, WHERE, COUNTED, final=False)
    assert "t" not in shapes.counters(WHERE, COUNTED)
    top = shapes.counters(WHERE, COUNTED, top=1)["by"]
    assert [len(rows) for rows in top.values()] == [1, 1, 1, 1]


def test_text() -> None:
    assert tables.report(WHERE, COUNTED, top=2) == [
        "web  eth0 at xdp (native): 7 packets, 700 bytes, 2 dropped",
        "  destination port      packets           bytes",
        "  80                          5             500",
        "  (none)                      2             200",
        "  protocol      packets           bytes",
        "  tcp                 5             500",
        "  253                 1             100",
        "  … and 1 more",
        "  source        packets           bytes",
        "  10.0.0.1            7             700",
        "  3 entries were evicted for want of room",
        "  flow                                           packets           bytes",
        "  udp [2001:db8::1]:53 > [2001:db8::2]:4000            6             600",
        "  icmp a > b                                           1             100",
    ]


def test_the_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with live.display(True, "tcp") as shown:
        shown.show(1.0, [(WHERE, COUNTED)], final=False)
        shown.show(2.0, [(WHERE, COUNTED)] * 2, final=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["t"], row.get("final")) for row in rows] == [(1.0, None), (2.0, True), (2.0, True)]


@pytest.mark.parametrize(("every", "times"), [(False, 1), (True, 2)])
def test_plain_text(capsys: pytest.CaptureFixture[str], every: bool, times: int) -> None:
    with live.display(False, "tcp", top=1, every=every) as shown:
        shown.show(1.0, [(WHERE, COUNTED)], final=False)
        shown.show(2.0, [(WHERE, COUNTED)], final=True)
    assert capsys.readouterr().out.count("7 packets") == times


def test_rates() -> None:
    rates = live.Rates()
    total, port, late = (WHERE, None, None), (WHERE, Key.PORT, 80), (WHERE, Key.PORT, 81)
    rates.advance(100.0)
    assert (rates.of(total, 50), rates.of(port, 7)) == (0, 0)
    rates.advance(102.0)
    assert (rates.of(total, 60), rates.of(port, 7), rates.of(late, 4)) == (5, 0, 2)
    rates.advance(102.5)
    assert rates.of(total, 50) == 0  # they were reset


@pytest.mark.parametrize(
    ("name", "interface", "alone", "kept"),
    [
        ("", "eth0", True, ""),
        ("", "eth0", False, ""),
        ("web", "eth0", True, "web"),
        ("web", "eth0", False, "web-eth0"),
        ("web", "eth0.100", False, "web-eth0_100"),
        ("web", "é", False, "web-_"),
    ],
)
def test_names_to_keep_by(name: str, interface: str, alone: bool, kept: str) -> None:
    assert kept_name(name, interface, alone=alone) == kept


class TestStop:
    def test_waits(self) -> None:
        with Stop() as stop:
            start = time.monotonic()
            assert not stop.wait(0.05)
            assert time.monotonic() - start >= 0.05

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_the_wait(self, number: signal.Signals) -> None:
        before = signal.getsignal(number)
        with Stop() as stop:
            threading.Timer(0.05, signal.raise_signal, [number]).start()
            start = time.monotonic()
            assert stop.wait(20)
            assert time.monotonic() - start < 10
            assert stop.asked
            assert stop.wait(20)  # at once
        assert signal.getsignal(number) is before

    def test_a_signal_before_the_wait_is_not_lost(self) -> None:
        with Stop() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert stop.wait(20)


class TestUsage:
    @pytest.mark.parametrize(
        "words",
        [
            ("filter", "--at", "nowhere"),
            ("filter", "--action", "eat"),
            ("filter", "--by", "mood"),
            ("filter", "--interval", "0"),
            ("filter", "--duration", "-1"),
            ("filter", "--at", "socket", "--action", "drop", "ip"),
            ("filter", "--at", "socket", "--keep", "x", "ip"),
            ("filter", "--keep", "no/name", "ip"),
            ("counters", "--top", "0"),
            ("counters", "--by", "mood"),
            ("detach",),
            ("detach", "x", "--all"),
            ("completion", "csh"),
        ],
        ids=" ".join,
    )
    def test_errors(self, cli: Cli, words: tuple[str, ...]) -> None:
        result = cli(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("netbpf: ")


def test_doctor(cli: Cli) -> None:
    report = json.loads(cli("doctor", "--json").out)
    assert set(report) == {"kernel", "features"}
    names = [row["name"] for row in report["features"]]
    assert len(names) == len(set(names)) > 10
    for row in report["features"]:
        assert set(row) == {"name", "available", "since", "detail", "remedy", "without"}
        assert row["available"] in (True, False, None)
        assert row["available"] is not False or row["remedy"], row
    text = cli("doctor")
    assert text.code == 0
    assert all(name in text.out for name in names)


def test_doctor_says_what_is_done_without(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Feature("it", False, "5.9", "not here", "use Linux 5.9 or newer", "slowly")
    monkeypatch.setattr("netbpf.link.features.probe_all", lambda: [lacking])
    head, without, remedy, *_ = cli("doctor").out.splitlines()
    assert re.fullmatch(r"no  it  +not here \(Linux 5.9\)", head)
    assert (without.strip(), remedy.strip()) == ("without it: slowly", "→ use Linux 5.9 or newer")
