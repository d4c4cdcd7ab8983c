"""Probes: what they find on this kernel, and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from netbpf.errors import KernelError
from netbpf.kernel import facts, info, interface, version
from netbpf.link.features import probe_all
from tests.support.bpffs import private
from tests.support.netns import wait_until
from tests.support.tools import REPOSITORY, require_tool

pytestmark = pytest.mark.root


def test_bpf_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    with private() as root:
        monkeypatch.setenv("NETBPF_BPFFS", str(root))
        found = {fact.name: fact for fact in facts.find()}["BPF file system"]
    assert (found.available, found.detail) == (True, str(root))


def test_what_the_version_promises_is_found() -> None:
    """Each feature that this kernel is new enough for; one that is missing is a failure."""
    found = [one for one in probe_all() if one.since and one.name != "BPF file system"]
    assert len(found) > 15
    for one in found:
        promised = version.parse(one.since) <= version.running()
        assert one.available or not promised, one


def test_what_the_version_does_not_promise_is_not_found() -> None:
    """The versions are right from below, too, where nothing was brought to an older kernel."""
    if "Debian" not in os.uname().version:
        pytest.skip("not a kernel of Debian, whose features are those of its version")
    facts_only = {topic.name for topic in facts.TOPICS}
    found = [one for one in probe_all() if one.since and one.name not in facts_only]
    assert len(found) > 15
    for one in found:
        assert one.available is (version.parse(one.since) <= version.running()), one


def test_nothing_is_left_behind() -> None:
    probe_all()  # imports what is imported late
    before = {str(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}
    names = interface.names()
    probe_all()
    assert {str(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()} == before
    assert interface.names() == names

    def probes() -> list[int]:
        found = []
        for id_ in info.ids(info.Kind.PROG):
            # Some are gone since they were listed.
            with suppress(KernelError), info.opened(info.Kind.PROG, id_) as fd:
                found += [id_] if info.prog(fd).name == "netbpf_probe" else []
        return found

    wait_until(lambda: not probes(), what="the kernel has let go of the programs")


def test_without_privileges_it_says_what_it_cannot_know() -> None:
    script = "from netbpf.link.features import probe_all\nfor f in probe_all(): print(f)"
    nothing = [require_tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all"]
    done = subprocess.run(
        [*nothing, sys.executable, "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    unknown = [line for line in done.stdout.splitlines() if "available=None" in line]
    assert len(unknown) >= 15
    assert all("remedy='sudo netbpf doctor'" in line for line in unknown if "known only" in line)
    assert "Feature(name='capabilities', available=False" in done.stdout
    assert "Feature(name='kernel', available=True" in done.stdout
