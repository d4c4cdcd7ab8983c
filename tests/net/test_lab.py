"""`netbpf lab`: it shows what is true, finds what is not, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from netbpf.cli import lab
from netbpf.cli.lab import network, traffic
from netbpf.cli.lab.network import LabNetwork
from netbpf.cli.main import run
from netbpf.kernel.netns import names
from tests.net.netbpf_process import Netbpf
from tests.support.bpffs import private
from tests.support.netns import wait_until
from tests.support.tools import require_tool

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _ip() -> None:
    require_tool("ip")


@pytest.fixture
def netbpf() -> Iterator[Netbpf]:
    with private() as root:
        yield Netbpf(root)


def namespaces(pid: int) -> list[str]:
    return [name for name in names() if name.startswith(f"netbpf-lab-{pid}-")]


def test_every_counter_equals_what_was_sent(netbpf: Netbpf) -> None:
    report = netbpf.json("lab")
    assert report["ok"] is True
    assert report["sent"] > 200
    assert {row["at"] for row in report["results"]} == {"socket", "tc", "xdp"}
    by_hook: dict[str, list[Any]] = {}
    for row in report["results"]:
        assert row["ok"]
        assert row["sent"] == row["counted"]
        by_hook.setdefault(row["at"], []).append((row["expr"], row["counted"], row["ports"]))
    assert by_hook["socket"] == by_hook["tc"] == by_hook["xdp"]
    counts = {row["expr"]: row["sent"]["packets"] for row in report["results"]}
    assert counts[""] == report["sent"]
    assert 0 not in counts.values()
    assert len(set(counts.values())) > 5  # the cases are not all alike


def test_the_text_says_so(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr(traffic, "CASES", traffic.CASES[:2])
    assert run(["lab"]) == 0
    shown = capfd.readouterr().out
    assert shown.count("  OK\n") == 6
    assert "Every counter equals what was sent" in shown
    assert namespaces(os.getpid()) == []


@pytest.mark.parametrize("what", ["packets", "bytes", "ports"])
def test_a_difference_is_found(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], what: str
) -> None:
    right = traffic.truth

    def wrong(case: traffic.Case, sent: list[Any]) -> traffic.Truth:
        found = right(case, sent)
        if what == "ports":
            return found._replace(ports={**found.ports, 80: 1})
        return found._replace(**{what: getattr(found, what) - 1})

    monkeypatch.setattr(traffic, "truth", wrong)
    monkeypatch.setattr(traffic, "CASES", traffic.CASES[:1])
    monkeypatch.setattr(lab, "_HOOKS", ("tc",))
    assert run(["lab"]) == 1
    shown = capfd.readouterr().out
    assert "DIFFERENT" in shown
    assert "Some counters differ" in shown
    assert run(["lab", "--json"]) == 1
    assert json.loads(capfd.readouterr().out)["ok"] is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_stopped_in_the_middle(netbpf: Netbpf, number: signal.Signals) -> None:
    with netbpf.running("lab") as running:
        wait_until(lambda: len(namespaces(running.pid)) == 2, what="the lab is set up")
        time.sleep(0.5)
        done = running.stop(number)
    assert done.code == 130
    assert namespaces(running.pid) == []


def test_a_killed_lab_is_cleared_away_by_the_next(netbpf: Netbpf) -> None:
    with netbpf.running("lab") as running:
        wait_until(lambda: len(namespaces(running.pid)) == 2, what="the lab is set up")
        running.process.kill()
        running.process.wait()
    assert namespaces(running.pid) != []
    with LabNetwork():
        assert namespaces(running.pid) == []
        assert len(namespaces(os.getpid())) == 2
    assert namespaces(os.getpid()) == []


def test_a_lab_that_cannot_be_set_up_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real = network._ip

    def failing(*words: str) -> str:
        return real(*words, "nonsense") if "up" in words else real(*words)

    monkeypatch.setattr(network, "_ip", failing)
    assert run(["lab"]) == 1
    assert "failed" in capfd.readouterr().err
    assert namespaces(os.getpid()) == []


def test_without_iproute2(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert run(["lab"]) == 1
    assert capfd.readouterr().err == (
        "netbpf: the lab needs the program `ip`\n    install iproute2\n"
    )


def test_nobody_is_asked_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself scapy sends ARP requests for the addresses that a frame lacks."""

    def ask(*_: object, **__: object) -> None:
        pytest.fail("scapy looks for a neighbour")

    monkeypatch.setattr("scapy.layers.l2.getmacbyip", ask)
    monkeypatch.setattr("scapy.layers.inet6.getmacbyip6", ask)
    monkeypatch.setattr("scapy.sendrecv.srp", ask)
    assert len(traffic.packets()) > 200
