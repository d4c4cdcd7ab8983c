"""A set means its elements joined by `or`, on cut-off packets too."""

from __future__ import annotations

import itertools

import pytest

from netbpf.expr.lower.common.sets import Range, merged
from netbpf.expr.lower.common.sets6 import SMALL
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Member
from tests.unit.expr.lower.asking import program_of
from tests.unit.expr.lower.frames import ether, ip4, ip6, tcp

HOSTS = ("10.0.0.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
HOSTS6 = tuple(f"2001:db8::{n}" for n in (9, 1, 2, 3, 4, 5, 6, 7, 8, "a", "b"))
MACS = tuple(f"2:0:0:0:0:{n}" for n in (9, 1, 2, 3))
WAYS = ("", "src ", "dst ", "src and dst ")


def frames() -> list[bytes]:
    """Frames whose addresses and ports are in the sets, or are not; some cut at every length."""
    segments = [tcp(sport, dport) for sport, dport in itertools.product((0, 80, 90, 85), repeat=2)]
    whole = [ether(0x0800, ip4(6, segment)) for segment in segments]
    whole += [ether(0x86DD, ip6(6, segment)) for segment in segments[::3]]
    swapped = [frame[:26] + frame[30:34] + frame[26:30] + frame[34:] for frame in whole[::5]]
    arp = ether(0x0806, bytes(14) + bytes((192, 0, 2, 2)) + bytes(6) + bytes((10, 0, 0, 1)))
    cut_up = (*whole[1::5], *swapped, arp)
    return [*whole, *(frame[:cut] for frame in cut_up for cut in range(len(frame)))]


FRAMES = frames()
SETS = [
    *((f"{way}host", HOSTS) for way in WAYS),
    *((f"{way}host", HOSTS[2:0:-1]) for way in WAYS),
    *((f"{way}net", ("10.0.0.0/8", "192.0.2.2/31", "192.0.2.0/32", "0.0.0.0/0")) for way in WAYS),
    *((f"{way}port", ("80", "85-88", "100", "90")) for way in WAYS),
    *((f"{way}host", HOSTS6[:4]) for way in WAYS),
    *((f"{way}host", HOSTS6) for way in ("src ", "dst ", "src and dst ")),
    *((f"{way}net", (*(f"{host}/128" for host in HOSTS6), "2001:db8::/127", "::/0"))
      for way in ("src ", "dst ")),
    *((f"ether {way}host", MACS) for way in WAYS),
    ("net", ("10.0.0.0 mask 255.0.0.255", "192.0.2.2", "10.0.0.0/8", "192.0.2.1")),
]  # fmt: skip


@pytest.mark.parametrize("opposite", [False, True], ids=["", "not"])
@pytest.mark.parametrize(("words", "elements"), SETS, ids=lambda value: str(value)[:30])
def test_a_set_is_its_elements_joined_by_or(
    words: str, elements: tuple[str, ...], *, opposite: bool
) -> None:
    kind = words.rsplit(maxsplit=1)[-1]
    singles = [
        f"{words}range {one}" if kind == "port" and "-" in one else f"{words} {one}"
        for one in elements
    ]
    form = "not ({})" if opposite else "{}"
    as_set = Machine(program_of(form.format(f"{words} in {{{', '.join(elements)}}}")))
    chain = Machine(program_of(form.format(" or ".join(singles)), reuse=False))
    merged_chain = Machine(program_of(form.format(" or ".join(singles))))
    for frame in FRAMES:
        packet = Packet(frame)
        expected = chain.run(packet)
        assert as_set.run(packet) is expected, frame.hex()
        assert merged_chain.run(packet) is expected, frame.hex()


def test_a_large_set_of_ipv6_hosts_is_a_table() -> None:
    """Either direction: as its elements, but where the packet ends in the destination."""
    assert len(HOSTS6) > SMALL
    program = program_of(f"host in {{{', '.join(HOSTS6)}}}")
    assert any(isinstance(block.term, Member) and len(block.term.regs) == 4 for block in program)
    as_set = Machine(program)
    chain = Machine(program_of(" or ".join(f"host {host}" for host in HOSTS6), reuse=False))
    for frame in FRAMES:
        if not 42 <= len(frame) < 54:
            assert as_set.run(Packet(frame)) is chain.run(Packet(frame))


def test_ranges_merge() -> None:
    ranges = [Range(5, 9), Range(1, 2), Range(3, 3), Range(6, 7), Range(11, 12), Range(12, 20)]
    assert merged(ranges) == ((1, 3), (5, 9), (11, 20))
