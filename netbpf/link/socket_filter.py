"""Let a program see the packets of an interface, both ways, as a packet socket's filter.

The socket is only there to run the program: a program that returns 0 keeps every packet out of
it. Packets are seen as tcpdump sees them, after XDP and with VLAN tags stripped into metadata.
Source: net/packet/af_packet.c, packet(7).
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from errno import ENODEV, ENXIO

from netbpf.errors import KernelError, NotFoundError
from netbpf.kernel.errors import kernel_error
from netbpf.kernel.interface import Interface
from netbpf.kernel.sockets import attach_program
from netbpf.link.base import Description, Link
from netbpf.objects import Program
from netbpf.records import replace
from netbpf.spec import Target
from netbpf.uapi.capability import Cap
from netbpf.uapi.if_ether import EthP


def attach(program: Program, interface: Interface) -> SocketFilter:
    """Attach to `interface`, in the calling thread's namespace, until the link is closed.

    Raises PrivilegeError (CAP_NET_RAW), NotFoundError where the interface is gone, KernelError.
    """
    description = Description(
        target=Target.SOCKET,
        interface=interface.name,
        ifindex=interface.index,
        mode="packet",
        prog_id=program.id,
    )
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: no packets yet
    except OSError as error:
        raise _failed(error, "open a packet socket") from None
    with ExitStack() as undo:
        undo.callback(opened.close)
        attach_program(opened, program.fd)
        try:
            opened.bind((interface.name, EthP.ALL))
        except OSError as error:
            raise _failed(error, f"bind a packet socket to {interface.name}") from None
        undo.pop_all()
    return SocketFilter(opened, description)


class SocketFilter(Link):
    """A packet socket that runs a program. Nothing is read from it."""

    def __init__(self, opened: socket.socket, description: Description) -> None:
        self._socket = opened
        self._description = description

    def describe(self) -> Description:
        """Return where the program is attached."""
        return self._description

    def alive(self) -> bool:
        """Whether the interface is still there."""
        return self._socket.fileno() >= 0 and self._socket.getsockname()[0] != ""

    def replace(self, program: Program) -> None:
        """Run another program from the next packet on."""
        attach_program(self._socket, program.fd)
        self._description = replace(self._description, prog_id=program.id)

    def close(self) -> None:
        """Detach. May be called again."""
        self._socket.close()


def _failed(error: OSError, doing: str) -> KernelError | NotFoundError:
    code = error.errno or 0
    if code in (ENODEV, ENXIO):
        return NotFoundError(f"cannot {doing}: the interface is gone")
    return kernel_error(code, command="socket", doing=doing, caps=(Cap.NET_RAW,))
