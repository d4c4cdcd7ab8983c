"""What a filter that drops would cut off: neighbour discovery, and the user's own SSH session.

Decided by trying: such packets are built and judged by the interpreter, as the hook would see them.
Everything is asked for in the network namespace of the calling thread.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netbpf.cli import probes
from netbpf.cli.probes import Addresses, Payload
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.proto.linktype import LinkType
from netbpf.spec import Action, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netbpf.ir.program import Program
    from netbpf.kernel.interface import Interface

_NEIGHBOUR = ("192.0.2.77", "2001:db8::77")  # anybody: addresses for documentation
_ESTABLISHED = "01"  # include/net/tcp_states.h
_MAX_ANCESTORS = 64


class Cut(NamedTuple):
    """What would be dropped, in words."""

    neighbours: tuple[str, ...]  # 'ARP', 'IPv6 neighbour discovery'
    session: Addresses | None  # the SSH session, client first


def cut_by(program: Program, target: Target, action: Action, interface: Interface) -> Cut:
    """Return what `program`, with this action at this hook, would drop that it should not."""
    if action is Action.COUNT:
        return Cut((), None)
    trial = _Trial(program, target, action, interface)
    neighbours = []
    if interface.linktype is LinkType.EN10MB and interface.name != "lo":
        neighbours = [name for name, probe in _discovery() if trial.drops(probe)]
    session = next((one for one in ssh_sessions() if trial.cuts(one)), None)
    return Cut(tuple(dict.fromkeys(neighbours)), session)


class _Trial:
    """Shows packets to a program as a hook would."""

    def __init__(
        self, program: Program, target: Target, action: Action, interface: Interface
    ) -> None:
        self._run = Machine(program).run
        self._outbound = target is Target.TC_EGRESS
        self._dropped = Verdict.MATCH if action is Action.DROP else Verdict.NO_MATCH
        self._interface = interface
        self._own = hardware_address(interface.name) or b"\x02\0\0\0\0\1"

    def drops(self, payload: Payload, peer: bytes | None = None) -> bool:
        """Whether a packet to (or, at egress, from) this host is dropped."""
        other = peer or b"\x02\0\0\0\0\2"
        source, destination = (self._own, other) if self._outbound else (other, self._own)
        if payload.ethertype == probes.ARP and payload.data[7] == 1:
            destination = probes.BROADCAST
        linktype = self._interface.linktype
        frame = probes.framed(payload, linktype, source=source, destination=destination)
        packet = Packet(frame, ifindex=self._interface.index, outbound=self._outbound)
        return self._run(packet) is self._dropped

    def cuts(self, session: Addresses) -> bool:
        """Whether a segment of the session, in the hook's direction, is dropped."""
        ends = session.reverse() if self._outbound else session
        peer = neighbour_mac(session.source)
        return any(self.drops(segment, peer) for segment in probes.segments(ends))


def _discovery() -> Iterator[tuple[str, Payload]]:
    one4, one6 = _NEIGHBOUR
    for reply in (False, True):
        yield "ARP", probes.arp(one4, "192.0.2.1", reply=reply)
        yield "IPv6 neighbour discovery", probes.neighbour(one6, "2001:db8::1", reply=reply)


# -- the session -----------------------------------------------------------------------------------


def ssh_sessions() -> list[Addresses]:
    """Return the SSH connections that this process hangs on, client first.

    They are told by SSH_CONNECTION, of this process or, as sudo drops it, of an ancestor. Only
    connections that are established in this network namespace count.
    """
    told = {found for pid in _ancestors() for found in _told_to(pid)}
    return sorted(told & _established()) if told else []


def _told_to(pid: int) -> Iterator[Addresses]:
    environment = os.environb if pid == os.getpid() else _environment(Path(f"/proc/{pid}/environ"))
    words = environment.get(b"SSH_CONNECTION", b"").decode(errors="replace").split()
    if len(words) == 4 and words[1].isdecimal() and words[3].isdecimal():
        client, server = _plain(words[0]), _plain(words[2])
        if client and server:
            yield Addresses(client, int(words[1]), server, int(words[3]))


def _ancestors() -> Iterator[int]:
    pid = os.getpid()
    for _ in range(_MAX_ANCESTORS):
        if pid <= 0:
            return
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return
        pid = int(stat.rpartition(")")[2].split()[1])


def _environment(path: Path) -> dict[bytes, bytes]:
    try:
        rows = path.read_bytes().split(b"\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (row.partition(b"=") for row in rows)}


def _established() -> set[Addresses]:
    """Return the established TCP connections of this namespace, the other end first."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            local, remote, state = row.split()[1:4]
            if state == _ESTABLISHED:
                found.add(Addresses(*_end(remote), *_end(local)))
    return found


def _end(text: str) -> tuple[str, int]:
    """Read 0100007F:0016: the address as words in host byte order, the port in hexadecimal."""
    address, _, port = text.partition(":")
    words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return _plain(socket.inet_ntop(family, raw)), int(port, 16)


def _plain(address: str) -> str:
    """Return an address in its usual spelling, IPv4 for IPv4-mapped IPv6; '' for what is none."""
    address = address.partition("%")[0].removeprefix("::ffff:")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, address))
    except OSError:
        return ""


# -- addresses -------------------------------------------------------------------------------------


def hardware_address(interface: str) -> bytes:
    """Return an interface's link-layer address, b'' where it has none."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asked:
        asked.bind((interface, 0))
        address: bytes = asked.getsockname()[4]
        return address


def neighbour_mac(address: str) -> bytes | None:
    """Return the Ethernet address of a host on the link, where the ARP table has it."""
    for row in Path("/proc/thread-self/net/arp").read_text().splitlines()[1:]:
        words = row.split()  # address, hardware type, flags, hardware address, mask, device
        if words[0] == address:
            return bytes.fromhex(words[3].replace(":", ""))
    return None
