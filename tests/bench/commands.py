"""Time whole commands: start-up, and matching a capture beside tcpdump."""

from __future__ import annotations

import os
import random
import struct
import sys
import tempfile
from pathlib import Path

from tests.bench.timing import NETBPF, in_turns, report, until_first_line
from tests.support.netns import namespace
from tests.support.packets import zoo
from tests.support.tools import find_tool

PACKETS = 1_000_000
ETHERNET_MTU = 1514


def start_up() -> None:
    """Time what starting takes: compiling a short expression, and attaching it."""
    expression = "tcp dst port 80"
    commands = {
        "netbpf compile": (*NETBPF, "compile", expression),
        "netbpf compile -d": (*NETBPF, "compile", "-d", expression),
        "python -c pass": (sys.executable, "-c", "pass"),
    }
    print(report("start-up (wanted: 5 x)", in_turns(commands, 25), "python -c pass"))
    if os.geteuid() != 0:
        print("not root: nothing is attached")
        return
    rival = "python -c 'import pyroute2, click'"
    with namespace() as alone:
        filter_ = (*NETBPF, "filter", "--netns", alone.name, "-i", "lo", "--json")
        attached: dict[str, tuple[str, ...]] = {
            f"netbpf filter --at {at}": (*filter_, "--at", at, expression)
            for at in ("socket", "tc", "xdp")
        }
        attached[rival] = (sys.executable, "-c", "import pyroute2, click; print()")
        times = in_turns(attached, 15, measure=until_first_line)
    print(report("attached, the first JSON object (wanted: 1.5 x)", times, rival))


def match() -> None:
    """Time matching a million packets."""
    with tempfile.TemporaryDirectory() as folder:
        _matching(_tcpdump(), Path(folder))


def _tcpdump() -> str:
    found = find_tool("tcpdump")
    if found is None:
        sys.exit("tcpdump is not installed: there is nothing to compare with")
    return found


def _matching(tcpdump: str, folder: Path) -> None:
    capture = folder / "million.pcap"
    _write_capture(capture)
    expression, read = "tcp dst port 80", ("-r", str(capture))
    targets = ("xdp", "tc", "socket", "cbpf") if os.geteuid() == 0 else ("cbpf",)
    commands: dict[str, tuple[str, ...]] = {
        f"netbpf match --target {target}": (
            *(*NETBPF, "match", "--count", "--target", target),
            *(*read, expression),
        )
        for target in targets
    }
    commands["tcpdump -r"] = (tcpdump, "-n", *read)
    commands["tcpdump -r EXPR -w"] = (tcpdump, "-n", *read, "-w", "/dev/null", expression)
    times = in_turns(commands, 3)
    print(report("1,000,000 packets", times, "tcpdump -r EXPR -w"))


def _write_capture(path: Path) -> None:
    """Write frames drawn from the zoo (pcap, microseconds)."""
    rng = random.Random(1)
    frames = [frame.data for frame in zoo().values() if len(frame.data) <= ETHERNET_MTU]
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number in range(PACKETS):
            data = rng.choice(frames)
            header = struct.pack("<IIII", number // 1000, number % 1000, len(data), len(data))
            file.write(header + data)
