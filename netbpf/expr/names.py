"""Where names become numbers: the resolver that `resolve` asks.

`SystemResolver` asks the system (name service, /etc files), `NoNames` knows none. Nothing is
looked up before it is asked for. Neighbours: resolve; services holds the fallback table.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Final, Protocol

from netbpf.expr.addresses import parse_mac

_ETHERS: Final = "/etc/ethers"  # ethers(5): address, name
_NETWORKS: Final = "/etc/networks"  # networks(5): name, number, aliases

File = str | PathLike[str]


class Resolver(Protocol):
    """Turns names into numbers. Every method returns None, or nothing, for an unknown name."""

    @property
    def excuse(self) -> str:
        """Why names may be unknown, as a hint for the user; '' where they are looked up."""

    def hosts(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the IPv4 and the IPv6 addresses of a host."""

    def ether(self, name: str) -> int | None:
        """Return the Ethernet address of a host."""

    def network(self, name: str) -> int | None:
        """Return a network's IPv4 number as written, not shifted: 127 for '127'."""

    def port(self, name: str, transport: str) -> int | None:
        """Return the port of a service over 'tcp', 'udp' or 'sctp'."""

    def protocol(self, name: str) -> int | None:
        """Return the IP protocol number of a protocol."""

    def interface(self, name: str) -> int | None:
        """Return the index of a network interface."""


class NoNames:
    """Knows no name: what `--no-names` asks for."""

    excuse = "name look-ups are off"

    def hosts(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: ARG002
        """Return no addresses."""
        return (), ()

    def ether(self, name: str) -> int | None:  # noqa: ARG002
        """Return None."""
        return None

    def network(self, name: str) -> int | None:  # noqa: ARG002
        """Return None."""
        return None

    def port(self, name: str, transport: str) -> int | None:  # noqa: ARG002
        """Return None."""
        return None

    def protocol(self, name: str) -> int | None:  # noqa: ARG002
        """Return None."""
        return None

    def interface(self, name: str) -> int | None:  # noqa: ARG002
        """Return None."""
        return None


class SystemResolver:
    """Asks this machine: getaddrinfo(3), getservbyname(3), getprotobyname(3) and files in /etc."""

    excuse = ""

    def __init__(self, *, ethers: File = _ETHERS, networks: File = _NETWORKS) -> None:
        self._ethers = ethers
        self._networks = networks

    def hosts(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the addresses in ascending order, each once."""
        import socket

        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, ValueError):  # ValueError: not a name at all, such as 'a..b'
            return (), ()
        by_family: dict[int, set[int]] = {socket.AF_INET: set(), socket.AF_INET6: set()}
        for family, _, _, _, address in found:
            if family in by_family:
                packed = socket.inet_pton(family, str(address[0]).partition("%")[0])
                by_family[family].add(int.from_bytes(packed, "big"))
        return tuple(sorted(by_family[socket.AF_INET])), tuple(sorted(by_family[socket.AF_INET6]))

    def ether(self, name: str) -> int | None:
        """Return the first entry of /etc/ethers."""
        for fields in _lines(self._ethers):
            address = parse_mac(fields[0]) if ":" in fields[0] else None
            if address is not None and fields[1] == name:
                return address
        return None

    def network(self, name: str) -> int | None:
        """Return the first entry of /etc/networks, by its name or an alias."""
        for fields in _lines(self._networks):
            if name == fields[0] or name in fields[2:]:
                return _network_number(fields[1])
        return None

    def port(self, name: str, transport: str) -> int | None:
        """Return the system's port, or that of the built-in table for a service it has not."""
        found = _system_port(name, transport)
        if found is not None:
            return found
        from netbpf.expr.services import SERVICES, TRANSPORTS

        if name not in SERVICES or any(_system_port(name, other) for other in TRANSPORTS):
            return None
        service = SERVICES[name]
        return service.port if transport in service.transports else None

    def protocol(self, name: str) -> int | None:
        """Return the entry of /etc/protocols."""
        import socket

        try:
            return socket.getprotobyname(name)
        except (OSError, ValueError):
            return None

    def interface(self, name: str) -> int | None:
        """Return the index in the current network namespace."""
        import socket

        try:
            return socket.if_nametoindex(name)
        except (OSError, ValueError):
            return None


def _system_port(name: str, transport: str) -> int | None:
    import socket

    try:
        return socket.getservbyname(name, transport)
    except (OSError, ValueError):
        return None


def _lines(file: File) -> Iterator[list[str]]:
    """Yield the fields of each line that has two or more; '#' begins a comment."""
    from pathlib import Path

    try:
        text = Path(file).read_text(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        fields = line.partition("#")[0].split()
        if len(fields) >= 2:
            yield fields


def _network_number(text: str) -> int | None:
    """Read a number with dots as inet_network(3) does: '10.1' is 0x0a01."""
    value = 0
    parts = text.split(".")
    for part in parts:
        if not (part.isascii() and part.isdigit() and int(part) <= 0xFF):
            return None
        value = value << 8 | int(part)
    return value if len(parts) <= 4 else None
