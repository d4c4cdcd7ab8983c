"""What every test run does: skip root tests for users, and fail CI on a skip nobody expected."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netbpf.kernel import version
from tests.support import netns, skips

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bits of CapEff in /proc/self/status, from include/uapi/linux/capability.h.
CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts a run in the background has it, and all its children, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(SkipAudit(), "netbpf-skip-audit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root or a newer kernel, and run the slow kernel tests last."""
    items.sort(key=lambda item: item.get_closest_marker("root") is not None)
    for item in items:
        for feature, since in _features(item):
            reason = skips.too_old(feature, version.running(), since=since)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))
    if _privileged():
        return
    skip = pytest.mark.skip(reason="needs root (CAP_SYS_ADMIN, CAP_NET_ADMIN): sudo make test")
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(skip)


def _features(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Yield the features that a test needs: as marked, or as its parameters say themselves."""
    for marker in item.iter_markers("needs_kernel"):
        yield marker.args[0], marker.kwargs.get("since", "")
    callspec = getattr(item, "callspec", None)
    for parameter in callspec.params.values() if callspec else ():
        feature = getattr(parameter, "needs_kernel", "")
        if isinstance(feature, str) and feature:
            yield feature, ""


def _privileged() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = int(re.findall(r"^CapEff:\s*(\w+)", status, re.MULTILINE)[0], 16)
    return all(effective >> cap & 1 for cap in (CAP_NET_ADMIN, CAP_SYS_ADMIN))


@pytest.fixture(scope="session", autouse=True)
def _no_namespace_survives() -> Iterator[None]:
    """Remove what killed runs left behind; fail if this run leaves anything behind."""
    netns.remove_stale()
    yield
    left = netns.mine()
    for name in left:
        netns.remove(name)
    assert not left, f"tests left network namespaces behind: {left}"


class SkipAudit:
    """Collect the skips of a run; with CI=true fail it when one was not expected."""

    def __init__(self) -> None:
        self.rules = skips.expected()
        self.skips: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            self.skips.append(f"{report.nodeid}: {reason}")

    def unexpected(self) -> list[str]:
        running, machine = version.running(), skips.in_machine()
        justify = self.rules.justify
        return [skip for skip in self.skips if not justify(skip, running, machine=machine)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if _in_ci() and self.unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.skips:
            return
        unexpected = self.unexpected()
        terminalreporter.section("skips")
        terminalreporter.line(f"{len(self.skips)} skipped, {len(unexpected)} of them unexpected")
        if _in_ci():
            for skip in unexpected:
                terminalreporter.line(f"FAILED by an unexpected skip: {skip}", red=True)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
