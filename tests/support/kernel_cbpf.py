"""Run classic BPF in the kernel without privilege: a filter on a pair of Unix sockets.

A datagram that the filter accepts arrives, cut to what the filter returned; another does not.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netbpf.asm.cbpf import Insn, encode

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

SO_ATTACH_FILTER = 26  # include/uapi/asm-generic/socket.h


class KernelFilter:
    """A program attached to a socket of its own. Raises OSError where the kernel refuses it."""

    def __init__(self, insns: Sequence[Insn]) -> None:
        code = ctypes.create_string_buffer(encode(insns))
        fprog = struct.pack("@HP", len(insns), ctypes.addressof(code))  # struct sock_fprog
        self._here, self._there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._there.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        except OSError:
            self.close()
            raise

    def run(self, data: bytes) -> int | None:
        """Return how many bytes of a packet the filter keeps, None where it refuses it.

        The kernel keeps at least one byte of what is accepted.
        """
        self._here.send(data)
        try:
            return len(self._there.recv(len(data) + 1, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close both sockets."""
        self._here.close()
        self._there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()
