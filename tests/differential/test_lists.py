"""Long lists decide as their elements do one by one, on cut-off packets too.

`||` is not looked at by expr.runs, and without optimisation each element is a test of its own.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest

from netbpf.compiler import Options, to_ir
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.spec import Target
from tests.support.packets import zoo
from tests.support.tools import scaled

COUNT = 40
RNG = random.Random(1)
PORTS = [RNG.randrange(1, 65536) for _ in range(COUNT)]
HOSTS = [RNG.randrange(1 << 24, 224 << 24) for _ in range(COUNT)]
NETS = [(host >> (32 - n) << (32 - n), n) for host, n in zip(HOSTS, [8, 17, 24, 32] * COUNT)]  # noqa: B905


def dotted(value: int) -> str:
    return ".".join(map(str, value.to_bytes(4, "big")))


LISTS = {
    "port": [str(port) for port in PORTS],
    "udp src port": [str(port) for port in PORTS],
    "host": [dotted(host) for host in HOSTS],
    "dst": [dotted(host) for host in HOSTS],
    "net": [f"{dotted(value)}/{length}" for value, length in NETS],
    "arp src net": [f"{dotted(value)}/{length}" for value, length in NETS],
}


def ipv4(host: int, other: int, port: int, other_port: int, protocol: int) -> bytes:
    """Return a frame from one to the other."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 40, 1, 0, 64, protocol, 0)
    ends = struct.pack(">IIHH", host, other, port, other_port)
    return bytes(12) + b"\x08\x00" + head + ends + bytes(16)


def packets() -> Iterator[bytes]:
    """Yield frames that match often, all frames of the zoo, and what is left of them cut off."""
    frames = [frame.data for frame in zoo().values() if len(frame.data) < 200]
    for _ in range(scaled(60)):
        host, other = (RNG.choice(HOSTS) ^ RNG.randrange(2) for _ in "sd")
        port, other_port = (RNG.choice(PORTS) ^ RNG.randrange(2) for _ in "sd")
        frames.append(ipv4(host, other, port, other_port, RNG.choice((6, 17))))
    for data in frames:
        yield data
        yield data[: RNG.randrange(len(data))]
    # Only the first element is compared with the source before the destination is loaded.
    for at in (0, 1, -1):
        data = ipv4(HOSTS[at], HOSTS[3], PORTS[at], PORTS[3], 17)
        yield from (data[:size] for size in range(24, 40))


PACKETS = [Packet(data, length=64) for data in packets()]


@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
@pytest.mark.parametrize("head", LISTS)
def test_verdicts(head: str, dialect: Dialect) -> None:
    alone = " or ".join(f"{head} {word}" for word in LISTS[head])
    for text in (alone, f"ip and not ({alone}) or arp"):
        listed, single, plain = (
            Machine(to_ir(one, Options(dialect=dialect, optimise=optimise), Target.XDP).program)
            for one, optimise in ((text, True), (text.replace(" or ", " || "), True), (text, False))
        )
        matches = 0
        for packet in PACKETS:
            verdict = listed.run(packet)
            assert verdict is single.run(packet) is plain.run(packet), packet.data.hex()
            matches += verdict is Verdict.MATCH
        assert 0 < matches < len(PACKETS) or head.startswith("arp")
