"""Running something for so long and no longer, and nothing of it afterwards; without a machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.netns import wait_until
from tests.support.tools import REPOSITORY
from tests.vm import machine
from tests.vm.kernels import Kernel
from tests.vm.machine import Machine

# Like virtme-ng: a shell whose child is what matters.
STUBBORN = "trap '' TERM; sleep 60 & echo $! >{0}; wait; sleep 60"
KERNEL = Kernel("5.10", Path("/nowhere"), "5.10.0-46-amd64")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "GRACE", 1)
    monkeypatch.setattr(machine, "BOOT", 1)


def gone(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return True


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    command = ["/bin/sh", "-c", STUBBORN.format(note)]
    began = time.monotonic()
    assert not machine._bounded(command, tmp_path / "console", 1, lambda: True)
    assert time.monotonic() - began < 20
    wait_until(lambda: gone(int(note.read_text())), what="the child is gone")


def test_what_ends_in_time_leaves_its_output(tmp_path: Path) -> None:
    assert machine._bounded(["/bin/echo", "hello"], tmp_path / "console", 30, lambda: False)
    assert (tmp_path / "console").read_text() == "hello\n"


def test_ctrl_c_ends_it_too(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = (
        "import sys, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; from tests.vm import machine; machine.GRACE = 1\n"
        f"command = ['/bin/sh', '-c', {STUBBORN.format(note)!r}]\n"
        "machine._bounded(command, Path(sys.argv[1]), 60, bool)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "console")]
    running = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    wait_until(lambda: note.exists() and note.read_text().strip() != "", what="it runs")
    running.send_signal(2)
    running.wait(timeout=30)
    wait_until(lambda: gone(int(note.read_text())), what="the child is gone")


@pytest.mark.parametrize(
    ("script", "seconds", "status", "trouble"),
    [
        ("echo 3 >{0}/status", 30, 3, ""),
        ("echo 5.10 >{0}/release; exit 1", 30, None, "it crashed"),
        ("true", 30, None, "it did not boot in"),
        ("sleep 60", 1, None, "it did not boot in"),
        ("echo 5.10 >{0}/release; sleep 60", 3, None, "while the tests ran"),
        ("echo 5.10 >{0}/release; sleep 3; echo 0 >{0}/status", 30, 0, ""),
        # The first boot hangs.
        (
            "[ -e {0}/tried ] && echo 7 | tee {0}/release >{0}/status; >{0}/tried; sleep 2",
            30,
            7,
            "",
        ),
    ],
)
def test_outcomes(
    script: str,
    seconds: float,
    status: int | None,
    trouble: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ["/bin/sh", "-c", script.format(tmp_path)]
    monkeypatch.setattr(Machine, "_start", lambda *_: command)
    (tmp_path / "status").write_text("0\n")  # of a run before
    outcome = Machine(KERNEL, tmp_path).run(["true"], {}, seconds=seconds)
    assert outcome.status == status
    assert trouble in outcome.trouble
    assert bool(outcome.trouble) == bool(trouble)
    assert outcome.seconds < seconds + 5


def test_a_long_command_is_not_on_the_command_line_of_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "vng", lambda: "vng")
    words = ["pytest", "a file of tests"] * 500
    started = Machine(KERNEL, tmp_path)._start(words)
    assert sum(map(len, started)) < 1000
    assert (tmp_path / "start").read_text().count("'a file of tests'") == 500


def test_kvm_that_is_not_there_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "KVM", tmp_path / "kvm")
    assert not machine.kvm_works(KERNEL, tmp_path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names
