"""Two network namespaces with a veth pair between them, for as long as the lab is open.

Nothing else is touched. Their names carry the process's number: what a killed lab left is removed
by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack
from errno import EPERM
from pathlib import Path
from typing import TYPE_CHECKING

from netbpf.errors import InputError, NotFoundError
from netbpf.kernel import privilege
from netbpf.kernel.errors import refused
from netbpf.kernel.netns import NAMED, Netns
from netbpf.uapi.capability import Cap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

DEVICE = "lab0"
"""The name of the veth end in each namespace."""

_NAME = re.compile(r"netbpf-lab-(\d+)-[ab]")
_PATIENCE = 5.0  # seconds for the pair to come up


class LabNetwork(AbstractContextManager["LabNetwork"]):
    """Frames sent in one namespace arrive at DEVICE in the other, `receiver`."""

    def __init__(self) -> None:
        self.sender, self.receiver = (f"netbpf-lab-{os.getpid()}-{end}" for end in "ab")
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        caps = (Cap.SYS_ADMIN, Cap.NET_ADMIN, Cap.NET_RAW)
        if privilege.missing(caps):
            raise refused(EPERM, command="unshare", doing="make network namespaces", caps=caps)
        _remove_stale()
        try:
            self._make()
        except BaseException:
            self._undo.close()
            raise
        return self

    def send(self, frames: Iterable[bytes]) -> None:
        """Send frames as they are."""
        for frame in frames:
            self._out.send(frame)

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _make(self) -> None:
        for name in (self.sender, self.receiver):
            _ip("netns", "add", name)
            self._undo.callback(_ip, "netns", "delete", name)
            with Netns.open(name) as netns, netns.entered():
                _silence()
        _ip("-n", self.sender, "link", "add", DEVICE, "type", "veth",
            "peer", "name", DEVICE, "netns", self.receiver)  # fmt: skip
        for name in (self.sender, self.receiver):
            _ip("-n", name, "link", "set", DEVICE, "up")
        with Netns.open(self.sender) as netns, netns.entered():
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._undo.callback(self._out.close)
            self._out.bind((DEVICE, 0))
            self._wait_until_up()

    def _wait_until_up(self) -> None:
        """Wait for the carrier: what is sent before is lost."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            shown = _ip("-n", self.sender, "link", "show", DEVICE)
            if "state UP" in shown:
                return
            time.sleep(0.01)
        raise NotFoundError("the veth pair does not come up")


def _silence() -> None:
    """Let the kernel send nothing by itself, so that every counter is exact."""
    switch = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
    if switch.exists():
        switch.write_text("1")


def _remove_stale() -> None:
    if not NAMED.is_dir():
        return
    for entry in NAMED.iterdir():
        found = _NAME.fullmatch(entry.name)
        if found and not Path("/proc", found[1]).exists():
            _ip("netns", "delete", entry.name)


def _ip(*words: str) -> str:
    """Run ip(8)."""
    path = shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise NotFoundError("the lab needs the program `ip`", remedy="install iproute2")
    done = subprocess.run([path, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout
