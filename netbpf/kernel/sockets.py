"""Filters on any socket (socket(7): SO_ATTACH_FILTER, SO_ATTACH_BPF).

A classic filter needs no privilege. Depends on asm, kernel.errors, kernel.syscall.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from netbpf.asm.cbpf import Insn, encode
from netbpf.kernel.errors import kernel_error
from netbpf.kernel.syscall import address, buffer
from netbpf.uapi.socket import SockOpt


def attach_classic(to: socket.socket, insns: Sequence[Insn]) -> None:
    """Give a socket a classic filter; what it returns 0 for does not arrive."""
    code = buffer(encode(insns))
    option = struct.pack("@HP", len(insns), address(code))  # struct sock_fprog
    _set(to, SockOpt.ATTACH_FILTER, option, f"attach a filter of {len(insns)} instructions")


def attach_program(to: socket.socket, prog_fd: int) -> None:
    """Give a socket an eBPF program of type SOCKET_FILTER (Linux 3.19)."""
    option = struct.pack("@i", prog_fd)
    _set(to, SockOpt.ATTACH_BPF, option, "attach a program to a socket")


def expect_room(prog_fd: int) -> None:
    """Raise KernelError where sockets have no room for a program (net.core.optmem_max)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
        attach_program(any_socket, prog_fd)


def _set(to: socket.socket, option: SockOpt, value: bytes, doing: str) -> None:
    try:
        to.setsockopt(socket.SOL_SOCKET, option, value)
    except OSError as error:
        name = f"SO_{option.name}"
        raise kernel_error(error.errno or 0, command=name, doing=doing, caps=()) from error
