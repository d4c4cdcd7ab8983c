"""Packet sockets on the loopback interface of a namespace of their own, to time filters on.

A classic filter that is attached to a socket cannot be run by a test run. But each packet that is
sent here runs the filters of many sockets: shared among them, the cost of sending is small enough
to tell filters apart. They see packets as they are received: a VLAN tag is beside the bytes.
Source: net/packet/af_packet.c, packet(7), netdevice(7). Depends on kernel.netns.
"""

from __future__ import annotations

import fcntl
import itertools
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from errno import ENOPROTOOPT

from netbpf.asm.cbpf import Insn, Op
from netbpf.kernel import netns, sockets
from netbpf.uapi.if_ether import EthP

SOCKETS = 32
_LOOPBACK = "lo"
_NOTHING = (Insn(Op.RET_K, 0, 0, 0),)
_SIOCSIFFLAGS = 0x8914  # include/uapi/linux/sockios.h
_UP_RUNNING = 1 << 0 | 1 << 6  # IFF_UP, IFF_RUNNING
_SOL_PACKET = 263
_IGNORE_OUTGOING = 23  # Linux 4.20; before it each packet is seen twice


class Taps:
    """Sockets with the same filter, and one that sends."""

    def __init__(self, sender: socket.socket, taps: Sequence[socket.socket]) -> None:
        self._sender = sender
        self._taps = taps

    def attach_classic(self, insns: Sequence[Insn]) -> None:
        """Give every socket a classic filter, which must return 0, or the sockets fill up."""
        for tap in self._taps:
            sockets.attach_classic(tap, insns)

    def attach_programs(self, fds: Sequence[int]) -> None:
        """Give the sockets a program each, in turn; they must return 0, too."""
        for tap, fd in zip(self._taps, itertools.cycle(fds), strict=False):
            sockets.attach_program(tap, fd)

    def send(self, packet: bytes, count: int) -> float:
        """Send a frame many times; return the nanoseconds for one packet and one socket."""
        send = self._sender.send
        start = time.perf_counter_ns()
        for _ in range(count):
            send(packet)
        return (time.perf_counter_ns() - start) / count / len(self._taps)


@contextmanager
def opened() -> Iterator[Taps]:
    """Open the sockets; no interface of this machine sees a packet. Needs CAP_SYS_ADMIN."""
    with ExitStack() as stack:
        with netns.fresh():  # the sockets keep it alive
            _bring_up(_LOOPBACK)
            sender = stack.enter_context(_socket(_LOOPBACK, 0))
            taps = [stack.enter_context(_socket(_LOOPBACK, EthP.ALL)) for _ in range(SOCKETS)]
        yield Taps(sender, taps)


def _socket(interface: str, protocol: int) -> socket.socket:
    """Open a packet socket that receives nothing yet, but may run its filter."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        sockets.attach_classic(made, _NOTHING)
        try:
            made.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        except OSError as error:
            if error.errno != ENOPROTOOPT:
                raise
        made.bind((interface, protocol))
    except BaseException:
        made.close()
        raise
    return made


def _bring_up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", interface.encode(), _UP_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)
