"""A veth pair that carries one frame at a time, and knows when the kernel is done with it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from errno import ENOBUFS
from typing import TYPE_CHECKING, NamedTuple

from tests.support.netns import Namespace, pair
from tests.support.packets import FAR_MAC, NEAR_MAC, Facts

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

ETHERTYPE = 0x88B6  # IEEE 802: local experimental 2
SENTINEL = bytes.fromhex((FAR_MAC + NEAR_MAC).replace(":", "")) + ETHERTYPE.to_bytes(2, "big")
SENTINEL = SENTINEL.ljust(60, b"\0")
SENTINEL_FACTS = Facts(length=len(SENTINEL), ethertype=ETHERTYPE)


class Wire(NamedTuple):
    """Two namespaces and the sockets at their ends of a veth pair."""

    near: Namespace
    far: Namespace
    out: socket.socket
    arrivals: socket.socket

    def carry(self, frame: bytes) -> bool:
        """Send a frame, and a sentinel after it; return whether the frame reached the far end.

        By then every hook on the way is done with both: they went in order through the queue of
        one CPU, to which the thread is bound (see `wire`). A sentinel that does not arrive in
        time fails the test, so nothing under test may drop it.
        """
        try:
            assert self.out.send(frame) == len(frame)
        except OSError as error:
            # What the sender hears of a packet that was dropped at egress.
            if error.errno != ENOBUFS:
                raise
        assert self.out.send(SENTINEL) == len(SENTINEL)
        others = 0
        while self.arrivals.recv(len(SENTINEL)) != SENTINEL:
            others += 1
        assert others <= 1, "something else sends frames here"
        return others == 1


@contextmanager
def wire(*, mtu: int = 9000) -> Iterator[Wire]:
    """Make a wire. The thread stays on one CPU while it is there.

    A packet that a veth sends is received in a softirq of the CPU that sent it; while this thread
    runs on that CPU, no softirq of it is half done.
    """
    with ExitStack() as stack:
        before = os.sched_getaffinity(0)
        stack.callback(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, {min(before)})
        near, far = stack.enter_context(pair(mtu=mtu))
        out = stack.enter_context(near.packet_socket(protocol=0))
        arrivals = stack.enter_context(far.packet_socket())
        arrivals.settimeout(10)
        yield Wire(near, far, out, arrivals)
