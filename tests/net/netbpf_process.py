"""The `netbpf` program as a user runs it: in processes of its own, with a bpffs of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.tools import patient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN = "from netbpf.cli.main import main; main()"

# A kernel without bpf_link, as far as netbpf can see: what attaches stays attached.
OLD_KERNEL = """
from netbpf.errors import NotSupportedError
from netbpf.link.bpf_link import BpfLink
def create(*_):
    raise NotSupportedError("no bpf_link", command="BPF_LINK_CREATE", errno=22)
BpfLink.create = create
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Netbpf:
    """Runs `netbpf`. `before` is Python that is run first, in the same process."""

    def __init__(self, bpffs: Path, *, before: str = "", **environment: str) -> None:
        self._command = [sys.executable, "-c", before + MAIN]
        self._environment = os.environ | {"NETBPF_BPFFS": str(bpffs)} | environment

    def __call__(self, *words: str) -> Done:
        """Run to the end."""
        done = subprocess.run(
            [*self._command, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str) -> Any:
        """Run to the end and return the document."""
        done = self(*words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    @contextmanager
    def running(self, *words: str) -> Iterator[Running]:
        """Start; kill at the end if it still runs."""
        process = subprocess.Popen(
            [*self._command, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Running(process)
        finally:
            process.kill()
            process.communicate()


class Running:
    """A `netbpf` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def next(self, timeout: float = 20) -> Any:
        """Wait for the next object of its stream."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], patient(timeout))[0], "nothing came"
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def until(self, packets: int, timeout: float = 20) -> Any:
        """Wait for an object with that many packets, or more."""
        deadline = time.monotonic() + patient(timeout)
        while (found := self.next())["packets"] < packets:
            assert time.monotonic() < deadline, found
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> Done:
        """Send a signal and wait for the end; `out` is what was not read before."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Done:
        """Wait for the end."""
        out, err = self.process.communicate(timeout=patient(30))
        assert "Traceback" not in err
        return Done(self.process.returncode, out, err)


def last(out: str) -> Any:
    """Return the last object of a stream."""
    return json.loads(out.splitlines()[-1])
