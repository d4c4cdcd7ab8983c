"""Network interfaces as the kernel knows them in the namespace of the calling thread.

Asked by ioctl (netdevice(7)) and not in /sys, which keeps showing the namespace it was mounted
from. Depends on kernel.netns only by convention: enter the namespace first.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct

from netbpf.errors import NotFoundError, NotSupportedError
from netbpf.kernel.errors import kernel_error
from netbpf.kernel.privilege import read
from netbpf.kernel.syscall import address, buffer
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass
from netbpf.uapi.capability import Cap
from netbpf.uapi.if_arp import ArpHrd

_IFNAMSIZ = 16
_IFREQ = 40  # sizeof(struct ifreq) where pointers have 8 bytes; longer than elsewhere

# include/uapi/linux/sockios.h, ethtool.h, if.h
_SIOCGIFFLAGS = 0x8913
_SIOCGIFMTU = 0x8921
_SIOCGIFHWADDR = 0x8927
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 0x00000003
_DRVINFO_SIZE = 196
_IFF_UP = 1 << 0
_RTF_UP = 1 << 0

# What a program or socket is shown first, by hardware type (drivers/net, net/ipv4/ip_tunnel.c):
# tunnels and PPP have taken their own header off.
_LINKTYPES: dict[int, LinkType] = {
    ArpHrd.ETHER: LinkType.EN10MB,
    ArpHrd.LOOPBACK: LinkType.EN10MB,
    ArpHrd.PPP: LinkType.RAW,
    ArpHrd.RAWIP: LinkType.RAW,
    ArpHrd.TUNNEL: LinkType.RAW,
    ArpHrd.TUNNEL6: LinkType.RAW,
    ArpHrd.SIT: LinkType.RAW,
    ArpHrd.IPGRE: LinkType.RAW,
    ArpHrd.IP6GRE: LinkType.RAW,
    ArpHrd.NONE: LinkType.RAW,
}


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface at one moment. `hardware` is an ARPHRD_ number, `mtu` in bytes."""

    name: str
    index: int
    hardware: int
    mtu: int
    up: bool

    @property
    def linktype(self) -> LinkType:
        """The first header of the packets that programs and sockets see here.

        Raises NotSupportedError for hardware that netbpf has no headers for.
        """
        known = _LINKTYPES.get(self.hardware)
        if known is None:
            raise NotSupportedError(
                f"{self.name} has link type ARPHRD {self.hardware}, which netbpf does not know",
                command="SIOCGIFHWADDR",
                errno=errno.EOPNOTSUPP,
                remedy="it knows Ethernet, loopback, tun, WireGuard, PPP, and IP and GRE tunnels",
            )
        return known


def find(name: str) -> Interface:
    """Look an interface up by name, or by one of its alternative names.

    Raises NotFoundError that lists the interfaces that there are.
    """
    try:
        index = socket.if_nametoindex(name)
    except (OSError, ValueError, UnicodeError):
        raise _absent(name) from None
    return describe(socket.if_indextoname(index), index)


def describe(name: str, index: int) -> Interface:
    """Ask the kernel about the interface of this name and index."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        (hardware,) = struct.unpack_from("=H", _ask(asked, _SIOCGIFHWADDR, name), _IFNAMSIZ)
        (mtu,) = struct.unpack_from("=i", _ask(asked, _SIOCGIFMTU, name), _IFNAMSIZ)
        (flags,) = struct.unpack_from("=H", _ask(asked, _SIOCGIFFLAGS, name), _IFNAMSIZ)
    return Interface(name, index, hardware, mtu, bool(flags & _IFF_UP))


def exists(index: int) -> bool:
    """Whether there is an interface of this index."""
    try:
        socket.if_indextoname(index)
    except OSError:
        return False
    return True


def names() -> list[str]:
    """Return the names of all interfaces, in the order of their indices."""
    return [name for _, name in sorted(socket.if_nameindex())]


def default_route() -> str:
    """Return the name of the interface that the default route leaves by, IPv4 before IPv6.

    Raises NotFoundError where there is no default route.
    """
    for name in (_default_ipv4(), _default_ipv6()):
        if name:
            return name
    raise NotFoundError(
        "there is no default route to find the interface by", remedy="name one: -i IFACE"
    )


def driver(name: str) -> str:
    """Return the name of an interface's driver ('veth', 'ixgbe'), '' where it tells none."""
    memory = buffer(struct.pack("=I", _ETHTOOL_GDRVINFO).ljust(_DRVINFO_SIZE, b"\0"))
    request = struct.pack("@16sP", name.encode(), address(memory)).ljust(_IFREQ, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCETHTOOL, request)
        except OSError:
            return ""
    return memory.raw[4:36].split(b"\0")[0].decode(errors="replace")


def _default_ipv4() -> str:
    """Read /proc/net/route: interface, destination, gateway, flags, …, metric, mask in hex."""
    found: list[tuple[int, str]] = []
    for line in read("/proc/thread-self/net/route").splitlines()[1:]:
        words = line.split()
        if words[1] == "00000000" and words[7] == "00000000" and int(words[3], 16) & _RTF_UP:
            found.append((int(words[6]), words[0]))
    return min(found)[1] if found else ""


def _default_ipv6() -> str:
    """Read /proc/net/ipv6_route: destination, its length, …, metric, …, flags, interface."""
    found: list[tuple[int, str]] = []
    for line in read("/proc/thread-self/net/ipv6_route").splitlines():
        words = line.split()
        if words[1] == "00" and words[9] != "lo" and int(words[8], 16) & _RTF_UP:
            found.append((int(words[5], 16), words[9]))
    return min(found)[1] if found else ""


def _ask(asked: socket.socket, request: int, name: str) -> bytes:
    try:
        return fcntl.ioctl(asked, request, name.encode().ljust(_IFREQ, b"\0"))
    except OSError as error:
        if error.errno == errno.ENODEV:
            raise _absent(name) from None
        raise kernel_error(
            error.errno or 0,
            command="ioctl",
            doing=f"ask about the interface {name!r}",
            caps=(Cap.NET_ADMIN,),
        ) from None


def _absent(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no interface {name!r}", remedy=f"there are: {', '.join(names())}"
    )
