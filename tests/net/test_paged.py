"""Packets whose bytes lie apart, at every hook: random programs look beyond the linear part.

A packet socket makes such packets where it is told how long the linear part shall be (its
virtio_net_hdr). A veth hands them on as they are; its XDP makes multi-buffer frames of them,
whose first part is a page less headroom and tailroom.
"""

from __future__ import annotations

import random
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netbpf.codegen.ebpf import generate
from netbpf.codegen.hooks import Hook as CodeHook
from netbpf.codegen.hooks import hook_for
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import MetaField, Program, Verdict
from netbpf.ir.text import dump, parse
from netbpf.records import replace
from netbpf.spec import Key
from tests.net.hooks import HOOKS, JUMBO, Hook, attached
from tests.net.wire import SENTINEL, Wire, wire
from tests.support.irgen import random_packet, random_program
from tests.support.programs import FRAGS
from tests.support.tools import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

SOL_PACKET, PACKET_VNET_HDR = 263, 15  # include/linux/socket.h, uapi/linux/if_packet.h
LENGTH = 5000  # a packet socket makes no shorter packet paged
FRAMES = 10
PLACES = tuple(
    hook._replace(needs_kernel=JUMBO) if hook.name == "xdp-native" else hook for hook in HOOKS
)


class Paged(NamedTuple):
    """A wire, and a socket at its near end that sends paged frames."""

    wire: Wire
    out: socket.socket

    def carry(self, frame: bytes, linear: int) -> None:
        """Send a frame with about so long a linear part, and wait until the sentinel arrives."""
        header = struct.pack("=BBHHHH", 0, 0, linear, 0, 0, 0)
        assert self.out.send(header + frame) == len(header) + len(frame)
        assert self.wire.out.send(SENTINEL) == len(SENTINEL)
        while self.wire.arrivals.recv(len(SENTINEL)) != SENTINEL:
            pass


@pytest.fixture(scope="module")
def paged() -> Iterator[Paged]:
    with wire() as made, made.near.packet_socket(protocol=0) as out:
        out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        yield Paged(made, out)


def codegen(hook: Hook) -> CodeHook:
    return hook_for(hook.target, frags=FRAGS, buff=hook.buff())


def looking_at(offset: int, width: int) -> Program:
    """Return a program that matches where a load gives the value that `pattern` has there."""
    value = int.from_bytes(pattern()[offset : offset + width], "big")
    return parse(
        f"entry:\n  a = load{width} {offset}\n  if a == {value:#x} goto yes else no\n"
        "yes:\n  match\nno:\n  no match"
    )


def pattern() -> bytes:
    """Return a frame whose every two bytes differ from those around."""
    numbers = (bytes([number & 0xFF, number >> 8 & 0xFF]) for number in range(LENGTH // 2))
    return bytes(12) + b"\x88\xb5" + b"".join(numbers)[14:]


@pytest.mark.parametrize("hook", PLACES, ids=str)
def test_random_programs(hook: Hook, paged: Paged) -> None:
    matched = 0
    for seed in range(scaled(12)):
        rng = random.Random(seed)
        program = random_program(rng, size=rng.choice((2, 4, 8)), meta=(MetaField.LENGTH,))
        program = replace(program, outputs=())
        machine = Machine(program)
        with attached(hook, paged.wire, generate(program, codegen(hook))) as filter_:
            expected = 0
            for _ in range(FRAMES):
                frame = random_packet(rng).data.ljust(LENGTH, b"\1")
                paged.carry(frame, linear=rng.randint(16, 60))
                for data in (frame, SENTINEL):
                    expected += machine.run(Packet(data)) is Verdict.MATCH
            assert filter_.read().packets == expected, f"seed {seed}\n{dump(program)}"
        matched += expected
    assert 0 < matched < 2 * FRAMES * scaled(12)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("hook", PLACES, ids=str)
def test_loads_across_the_borders_of_pages(hook: Hook, width: int, paged: Paged) -> None:
    """Some of these are in the linear part, some across its end, some behind, at every hook."""
    for offset in (13, 61, 62, 63, 3401, 3499, 3517, 4093, 4095, LENGTH - width):
        spec = generate(looking_at(offset, width), codegen(hook))
        with attached(hook, paged.wire, spec) as filter_:
            paged.carry(pattern(), linear=64)
            counted = filter_.read()
            assert (counted.packets, counted.bytes) == (1, LENGTH), offset


@pytest.mark.parametrize("hook", PLACES, ids=str)
def test_behind_the_last_byte_there_is_nothing(hook: Hook, paged: Paged) -> None:
    program = parse(f"entry:\n  a = load2 {LENGTH - 1}\n  match")
    with attached(hook, paged.wire, generate(program, codegen(hook))) as filter_:
        paged.carry(pattern(), linear=64)
        assert filter_.read().packets == 0


@pytest.mark.parametrize("hook", PLACES, ids=str)
def test_a_key_is_found_wherever_it_is(hook: Hook, paged: Paged) -> None:
    key = parse("outputs a\nentry:\n  a = load2 4321\n  match")
    everything = parse("entry:\n  match")
    spec = generate(everything, codegen(hook), keys={Key.PORT: key})
    with attached(hook, paged.wire, spec) as filter_:
        paged.carry(pattern(), linear=64)
        (table,) = filter_.read().tables
    found = int.from_bytes(pattern()[4321:4323], "big")
    counts = {entry.key: (entry.packets, entry.bytes) for entry in table.entries}
    assert counts == {found: (1, LENGTH), None: (1, len(SENTINEL))}
