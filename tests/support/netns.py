"""Network namespaces and veth pairs for tests: made, used and removed, whatever happens.

    with pair(mtu=9000) as (near, far):
        near.send([frame])              # raw frames out of near's end of the veth pair
        far.run("netbpf", "list")       # a command inside the other namespace

A name carries the pid of its test run, so that parallel runs never meet, and a later run can
remove what a killed one left. Nothing here touches the namespace that the tests run in.
Needs root, `ip` (iproute2) and `nsenter` (util-linux).
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import re
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.tools import patient, require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RUN_NETNS = Path("/run/netns")
THREAD_NS = Path("/proc/thread-self/ns/net")
NAME = re.compile(r"nbtest-(\d+)-\d+")
CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h
ETH_P_ALL = 0x0003  # include/uapi/linux/if_ether.h
SO_RCVBUFFORCE = 33  # include/uapi/asm-generic/socket.h
MOST_FRAMES = 100_000  # of one send(): a test that wants more has a bug

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, known to `ip netns` by `name`, with one end of a veth pair in it."""

    name: str
    device: str = "veth0"

    @property
    def path(self) -> Path:
        return RUN_NETNS / self.name

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the body's thread inside the namespace. File descriptors made there stay there."""
        with THREAD_NS.open("rb") as home, self.path.open("rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def run(
        self, *command: str, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, and return it with its output as text."""
        return _run(*self.command(*command), check=check, timeout=timeout)

    def command(self, *command: str) -> list[str]:
        """Return the words that run `command` inside, for Popen.

        nsenter, since `ip netns exec` would mount /sys anew, and hide /sys/fs/bpf.
        """
        return ["nsenter", f"--net={self.path}", "--", *command]

    def packet_socket(self, *, protocol: int = ETH_P_ALL, device: str = "") -> socket.socket:
        """Return an AF_PACKET socket bound to the device; with protocol 0 it only sends."""
        with self.entered():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        # Room for a burst of jumbo frames, beyond net.core.rmem_max.
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        opened.bind((device or self.device, protocol))
        return opened

    def send(self, frames: Sequence[bytes], *, device: str = "") -> None:
        """Send whole frames, from the Ethernet header on, out of the device as they are."""
        assert len(frames) <= MOST_FRAMES
        with self.packet_socket(protocol=0, device=device) as out:
            for frame in frames:
                assert out.send(frame) == len(frame)

    def received(self, *, device: str = "") -> int:
        """Return how many packets the device has received since it was made.

        Counted by the driver: what a program drops at XDP is in it.
        """
        shown = _ip("-n", self.name, "-json", "-statistics", "link", "show", device or self.device)
        return int(json.loads(shown)[0]["stats64"]["rx"]["packets"])

    def ifindex(self, *, device: str = "") -> int:
        with self.entered():
            return socket.if_nametoindex(device or self.device)


@contextmanager
def namespace(*, ipv6: bool = False) -> Iterator[Namespace]:
    """Make a namespace, remove it at the end.

    Without `ipv6` the kernel sends nothing by itself, and every counter is exact. With it,
    duplicate address detection and router solicitation are off.
    """
    require_tool("ip")
    made = Namespace(f"nbtest-{os.getpid()}-{next(_numbers)}")
    _ip("netns", "add", made.name)
    try:
        with made.entered():
            _sysctl("net.ipv6.conf.default.disable_ipv6", not ipv6)
            _sysctl("net.ipv6.conf.default.accept_dad", 0)
            _sysctl("net.ipv6.conf.default.router_solicitations", 0)
        _ip("-n", made.name, "link", "set", "lo", "up")
        yield made
    finally:
        remove(made.name)


@contextmanager
def pair(
    *, mtu: int = 1500, ipv6: bool = False, addresses: bool = False
) -> Iterator[tuple[Namespace, Namespace]]:
    """Make two namespaces joined by a veth pair, `veth0` in each, up and with a carrier.

    With `addresses` they are 192.0.2.1/24 and 2001:db8::1/64, 192.0.2.2/24 and 2001:db8::2/64
    (the latter with `ipv6` only); else no layer above Ethernet is set up.
    """
    with ExitStack() as stack:
        near = stack.enter_context(namespace(ipv6=ipv6))
        far = stack.enter_context(namespace(ipv6=ipv6))
        _ip(
            *("-n", near.name, "link", "add", near.device, "mtu", str(mtu), "type", "veth"),
            *("peer", "name", far.device, "mtu", str(mtu), "netns", far.name),
        )
        for number, end in enumerate((near, far), start=1):
            if addresses:
                _ip("-n", end.name, "addr", "add", f"192.0.2.{number}/24", "dev", end.device)
            if addresses and ipv6:
                added = f"2001:db8::{number}/64"
                _ip("-n", end.name, "addr", "add", added, "dev", end.device, "nodad")
            _ip("-n", end.name, "link", "set", end.device, "up")
        wait_until(lambda: _has_carrier(near) and _has_carrier(far), what="the veth pair is up")
        yield near, far


def wait_until(met: Callable[[], bool], *, what: str, timeout: float = 10) -> None:
    """Poll until `met()`; fail the test, naming `what` was waited for, after `timeout` seconds."""
    deadline = time.monotonic() + patient(timeout)
    pause = 0.0005
    while not met():
        assert time.monotonic() < deadline, f"waited {patient(timeout)} s until {what}"
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def mine() -> list[str]:
    """Return the names of the namespaces that this process has made and not removed."""
    return [name for name, pid in _named() if pid == os.getpid()]


def remove_stale() -> None:
    """Remove the namespaces of test runs that are dead."""
    for name, pid in _named():
        if not Path(f"/proc/{pid}").exists():
            remove(name)


def remove(name: str) -> None:
    """Remove a namespace of the tests; its veth ends go with it. Absent already is well."""
    assert NAME.fullmatch(name)
    _run("ip", "netns", "delete", name, check=False)


def _named() -> list[tuple[str, int]]:
    if not RUN_NETNS.is_dir() or os.geteuid() != 0:
        return []
    found = [NAME.fullmatch(entry.name) for entry in RUN_NETNS.iterdir()]
    return [(match.group(), int(match.group(1))) for match in found if match]


def _has_carrier(end: Namespace) -> bool:
    shown = json.loads(_ip("-n", end.name, "-json", "link", "show", end.device))
    return bool(shown[0]["operstate"] == "UP")


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _sysctl(key: str, value: int) -> None:
    """Set a sysctl of the entered namespace, where this kernel has it (IPv6 may be absent)."""
    path = Path("/proc/sys", *key.split("."))
    if path.exists():
        path.write_text(str(int(value)))


def _ip(*words: str) -> str:
    return _run("ip", *words).stdout


def _run(
    *command: str, check: bool = True, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        shown = " ".join(command)
        raise AssertionError(f"`{shown}` gave {done.returncode}: {done.stderr or done.stdout}")
    return done
