"""Time compiling long lists beside what else reads them: tcpdump -d, and nft -f for a set.

tcpdump's compile time is cubic; it runs only where it ends within a minute or so, and once where it
takes longer than a second. Times are those of whole commands, start-up included.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.timing import NETBPF, Times, in_turns, report
from tests.support.netns import Namespace, namespace
from tests.support.tools import find_tool

ROUNDS = 7
CLASSIC = 1000  # elements; of more, classic BPF cannot hold the code
PATIENT = {"ports": 800, "hosts": 1000, "CIDRs": 1600}  # what tcpdump ends with
QUICK = 200  # elements, which tcpdump reads in about a second

SIZES = (
    ("ports", (100, 200, 400, 800, 5000, 10_000)),
    ("hosts", (200, 1000, 5000, 10_000)),
    ("CIDRs", (1600, 50_000, 100_000)),
)
_LENGTHS = (16, 20, 22, 24, 24, 24, 28, 32)


def run() -> None:
    """Print all rows, and what the goals ask of them."""
    with tempfile.TemporaryDirectory() as folder:
        _lists(Path(folder))
        if os.geteuid() == 0:
            _loaded(Path(folder))
        else:
            print("not root: nothing is loaded, and nft not run")


def elements(kind: str, count: int) -> list[str]:
    """Return so many ports, hosts or networks, in no order."""
    rng = random.Random(1)
    if kind == "ports":
        return [str(port) for port in rng.sample(range(1, 65536), count)]
    if kind == "hosts":
        return [f"10.{_dotted(value, 3)}" for value in rng.sample(range(1 << 24), count)]
    found: dict[str, None] = {}
    while len(found) < count:
        length = rng.choice(_LENGTHS)
        value = rng.randrange(1 << 24, 224 << 24) >> 32 - length << 32 - length
        found[f"{_dotted(value, 4)}/{length}"] = None
    return [*found]


def _dotted(value: int, size: int) -> str:
    return ".".join(map(str, value.to_bytes(size, "big")))


def _lists(folder: Path) -> None:
    """Alternatives, `port 1 or port 2 or …`."""
    taken: dict[tuple[str, int], Mapping[str, Times]] = {}
    for kind, sizes in SIZES:
        for count in sizes:
            file = folder / f"{kind}{count}"
            word = {"ports": "port", "hosts": "host", "CIDRs": "net"}[kind]
            file.write_text(" or ".join(f"{word} {one}" for one in elements(kind, count)))
            times = in_turns(_compilers(file, kind, count), ROUNDS)
            times |= in_turns(_tcpdump(file, kind, count), 3 if count <= QUICK else 1)
            taken[kind, count] = times
            print(report(f"{count:,} {kind}", times, [*times][-1]))
    ports = taken["ports", 800]
    for name in ports:
        if "tcpdump -d" in ports and name != "tcpdump -d":
            _goal(f"800 ports, tcpdump / {name}", ports["tcpdump -d"], ports[name], ">= 500")
    hosts = taken["hosts", 10_000]["netbpf, XDP"]
    if "tcpdump -d" in taken["hosts", 200]:
        rival = taken["hosts", 200]["tcpdump -d"]
        _goal("10,000 hosts / tcpdump with 200", hosts, rival, "< 1")
    for kind, (*_, half, whole) in SIZES:
        for name in taken[kind, whole]:
            more, less = taken[kind, whole][name], taken[kind, half][name]
            _goal(f"{whole:,} / {half:,} {kind}, {name}", more, less, "<= 2.3")


def _goal(what: str, one: Times, other: Times, wanted: str) -> None:
    print(f"{what:<52} {one.least / other.least:8.2f} x   (wanted: {wanted})")


def _compilers(file: Path, kind: str, count: int) -> dict[str, Sequence[str]]:
    compiler = (*NETBPF, "compile", "-F", str(file))
    commands: dict[str, Sequence[str]] = {}
    if count <= CLASSIC and kind != "CIDRs":
        commands["netbpf"] = compiler
        commands["netbpf, pcap dialect"] = (*compiler, "--pcap-compat")
    commands["netbpf, XDP"] = (*compiler, "--target", "xdp")
    commands["netbpf, XDP, pcap dialect"] = (*compiler, "--target", "xdp", "--pcap-compat")
    return commands


def _tcpdump(file: Path, kind: str, count: int) -> dict[str, Sequence[str]]:
    tcpdump = find_tool("tcpdump")
    if count > PATIENT[kind] or tcpdump is None:
        return {}
    return {"tcpdump -d": (tcpdump, "-d", "-y", "EN10MB", "-F", str(file))}


def _loaded(folder: Path) -> None:
    """Load 50,000 and 100,000 networks into the kernel, in a network namespace of its own."""
    nft = find_tool("nft")
    if nft is None:
        sys.exit("nft is not installed: there is nothing to compare with")
    taken = {}
    for count in (50_000, 100_000):
        with namespace() as alone:
            commands = _loaders(nft, alone, folder, elements("CIDRs", count))
            times = taken[count] = in_turns(commands, ROUNDS)
        print(report(f"{count:,} CIDRs compiled and loaded", times, "nft -f"))
    for name, one in taken[100_000].items():
        _goal(f"100,000 / 50,000 CIDRs, {name}", one, taken[50_000][name], "<= 2.3")
        _goal(f"100,000 CIDRs, {name} / nft -f", one, taken[100_000]["nft -f"], "<= 3")


def _loaders(
    nft: str, alone: Namespace, folder: Path, words: list[str]
) -> dict[str, Sequence[str]]:
    """Return the commands: three ways to write the set; nft loads it into a fresh namespace."""
    texts = {
        "set": "\n".join(words),
        "braces": f"src net in {{{', '.join(words)}}}",
        "or": " or ".join(f"src net {word}" for word in words),
        "nft": "table ip t {\nset s {\ntype ipv4_addr\nflags interval\nauto-merge\n"
        f"elements = {{ {', '.join(words)} }}\n}}\n}}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    attach = (*NETBPF, "filter", "--netns", alone.name, "-i", "lo", "--at", "xdp", "--by", "none")
    once = (*attach, "--json", "--duration", "0")
    return {
        "netbpf, --set NAME=FILE": (*once, "--set", f"s={folder / 'set'}", "src net in @s"),
        "netbpf, in {…}": (*once, "-F", str(folder / "braces")),
        "netbpf, … or …": (*once, "-F", str(folder / "or")),
        "nft -f": ("unshare", "-n", nft, "-f", str(folder / "nft")),
    }
