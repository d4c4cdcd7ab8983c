"""Time whole commands beside tcpdump: start-up, compiling large expressions, matching a capture."""

from __future__ import annotations

import os
import random
import struct
import sys
import tempfile
from pathlib import Path

from tests.bench.timing import NETBPF, in_turns, report
from tests.support.packets import zoo
from tests.support.tools import find_tool

PACKETS = 1_000_000
ETHERNET_MTU = 1514


def start_up() -> None:
    """Time what starting takes."""
    commands = {
        "netbpf compile": (*NETBPF, "compile", "tcp dst port 80"),
        "python -c pass": (sys.executable, "-c", "pass"),
    }
    print(report("start-up", in_turns(commands, 15), "python -c pass"))


def compile_time() -> None:
    """Time compiling large expressions."""
    with tempfile.TemporaryDirectory() as folder:
        _large_expressions(_tcpdump(), Path(folder))


def match() -> None:
    """Time matching a million packets."""
    with tempfile.TemporaryDirectory() as folder:
        _matching(_tcpdump(), Path(folder))


def _tcpdump() -> str:
    found = find_tool("tcpdump")
    if found is None:
        sys.exit("tcpdump is not installed: there is nothing to compare with")
    return found


def _large_expressions(tcpdump: str, folder: Path) -> None:
    rng = random.Random(1)
    hosts = [f"host 10.{n >> 8}.{n & 255}.{rng.randrange(1, 255)}" for n in range(1000)]
    ports = [f"port {n}" for n in rng.sample(range(1, 65536), 1000)]
    for what, terms in (("1,000 hosts", hosts), ("1,000 ports", ports)):
        file = folder / "expression"
        file.write_text(" or ".join(terms))
        commands = {
            "netbpf compile": (*NETBPF, "compile", "-F", str(file)),
            "netbpf compile, pcap dialect": (*NETBPF, "compile", "--pcap-compat", "-F", str(file)),
            "netbpf compile, XDP": (*NETBPF, "compile", "--target", "xdp", "-F", str(file)),
            "tcpdump -d": (tcpdump, "-d", "-F", str(file)),
        }
        print(report(what, in_turns(commands, 1), "tcpdump -d"))


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
