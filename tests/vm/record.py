"""A pytest plugin: note what becomes of each test, a line of JSON each, while the run goes on.

python -m pytest -p tests.vm.record, with the file's name in NETBPF_RECORD. A line is written when a
test begins ({"begins": ID}) and when it has ended (a Result's fields), so that whoever reads the
file of a machine that hung or crashed knows by which test.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

FILE = "NETBPF_RECORD"


@dataclass(frozen=True)
class Result:
    """What became of a test: `outcome` is passed, skipped or failed; seconds of wall time."""

    test: str
    outcome: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Record:
    """A whole file: the results, and the test that had begun and not ended, or ''."""

    results: tuple[Result, ...]
    unfinished: str = ""


def read(path: Path) -> Record:
    """Read a file of this plugin; one that does not exist has no results."""
    results: list[Result] = []
    running = ""
    for line in _lines(path):
        if "begins" in line:
            running = str(line["begins"])
        else:
            results.append(Result(**line))
            running = ""
    return Record(tuple(results), running)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except ValueError:
            if number != len(lines):  # the last was cut when the machine stopped
                raise


class Recorder:
    """Writes the file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._seconds = 0.0
        self._outcome = "passed"
        self._reason = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write({"begins": nodeid})
        self._seconds, self._outcome, self._reason = 0.0, "passed", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds += report.duration
        if hasattr(report, "wasxfail"):
            return
        if report.failed or (report.skipped and self._outcome == "passed"):
            self._outcome = report.outcome
            self._reason = reason(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        found = Result(nodeid, self._outcome, round(self._seconds, 3), self._reason)
        self._write(asdict(found))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._write(asdict(Result(report.nodeid, report.outcome, 0.0, reason(report))))

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps(line) + "\n")


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test was skipped, or the line that tells most of a failure."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(longrepr, "reprcrash", None)
    text = crash.message if crash else str(longrepr)
    return text.strip().splitlines()[0] if text.strip() else "no reason given"


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin where a file is wanted."""
    if os.environ.get(FILE):
        config.pluginmanager.register(Recorder(Path(os.environ[FILE])), "netbpf-recorder")
