"""Attach a program to an interface's XDP hook.

By bpf_link (5.9), which ends with the process, or by netlink (IFLA_XDP), which outlives it; both
replace a program atomically (5.7). An interface runs one XDP program: native, in its driver, or
generic, in the network stack, which is slower but works on every interface.
Source: net/core/dev.c, dev_xdp_attach().
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from errno import EBUSY, EEXIST, ENODEV
from typing import TypeVar

from netbpf.errors import ConflictError, KernelError, NotSupportedError, PrivilegeError
from netbpf.kernel.interface import Interface, exists
from netbpf.link.base import Description, LastingLink, Link, Place, holder
from netbpf.link.bpf_link import BpfLink
from netbpf.objects import Program
from netbpf.records import replace
from netbpf.spec import Target
from netbpf.uapi.bpf import AttachType
from netbpf.uapi.if_link import XdpFlag


class XdpMode(Enum):
    """Where the program runs; the value is the word of `--xdp-mode`."""

    AUTO = "auto"  # native, else generic
    NATIVE = "native"
    GENERIC = "generic"


_FLAGS = {XdpMode.NATIVE: XdpFlag.DRV_MODE, XdpMode.GENERIC: XdpFlag.SKB_MODE}
_L = TypeVar("_L", bound=Link)
_Attach = Callable[[Description, XdpFlag], _L]


def attach(program: Program, interface: Interface, *, mode: XdpMode = XdpMode.AUTO) -> Link:
    """Attach to `interface`, in the calling thread's namespace; close the link to detach.

    By bpf_link where the kernel has it; the link then ends with the process at the latest.
    Raises ConflictError that names the program in the way, AttachError, PrivilegeError,
    NotSupportedError where the driver lacks the mode.
    """

    def by_link(description: Description, flag: XdpFlag) -> BpfLink:
        return BpfLink.create(program, description, AttachType.XDP, flag)

    try:
        return _in_mode(mode, program, interface, by_link)
    except NotSupportedError:  # before Linux 5.9; or the driver, and netlink says why
        return attach_lasting(program, interface, mode=mode)


def attach_lasting(
    program: Program,
    interface: Interface,
    *,
    mode: XdpMode = XdpMode.AUTO,
    force: bool = False,
) -> NetlinkXdp:
    """Attach so that it outlives the process, unless the link is closed; raises as `attach`.

    `force` replaces a program that somebody else attached by netlink.
    """

    def by_netlink(description: Description, flag: XdpFlag) -> NetlinkXdp:
        return NetlinkXdp.attach(program, description, flag, force=force)

    return _in_mode(mode, program, interface, by_netlink)


class NetlinkXdp(LastingLink):
    """A program at the XDP hook, put there by netlink. It stays until it is closed."""

    @classmethod
    def attach(
        cls, program: Program, description: Description, flag: XdpFlag, *, force: bool = False
    ) -> NetlinkXdp:
        """Attach in the mode of `flag`; with `force` in place of anybody else's program."""
        from netbpf.link import netlink

        place = Place.here(description, program.fd)
        try:
            if force:
                _clear(description.ifindex)
            netlink.set_xdp(description.ifindex, program.fd, flag | XdpFlag.UPDATE_IF_NOEXIST)
        except BaseException:
            place.close()
            raise
        return cls(place)

    @classmethod
    def find(cls, description: Description, prog_fd: int) -> NetlinkXdp | None:
        """Return the attachment of the described program, None where it is not attached."""
        from netbpf.link import netlink

        state = netlink.xdp_state(description.ifindex)
        modes = {state.generic: XdpMode.GENERIC, state.native: XdpMode.NATIVE}
        mode = modes.get(description.prog_id)
        if mode is None:
            return None
        return cls(Place.here(replace(description, mode=mode.value), prog_fd))

    def alive(self) -> bool:
        """Whether our program is the one that is attached."""
        from netbpf.link import netlink

        if self._place.closed:
            return False
        with self._place.entered():
            if not exists(self._place.ifindex):
                return False
            state = netlink.xdp_state(self._place.ifindex)
        return self._place.prog_id in (state.native, state.generic)

    def replace(self, program: Program) -> None:
        """Run another program from the next packet on, if ours is still attached."""
        try:
            self._set(program.fd)
        except KernelError as error:
            if error.errno == EEXIST:
                raise _conflict(self._place.description) from error
            raise
        self._place.hold(program)

    def close(self) -> None:
        """Detach our program, and no other. May be called again."""
        from netbpf.link import netlink

        if self._place.closed:
            return
        try:
            self._set(netlink.NO_PROGRAM)
        except KernelError as error:
            if error.errno not in (EEXIST, ENODEV):  # another's program now; interface gone
                raise
        self.leave()

    def _set(self, fd: int) -> None:
        from netbpf.link import netlink

        place = self._place
        flag = _FLAGS[XdpMode(place.description.mode)]
        with place.entered():
            netlink.set_xdp(place.ifindex, fd, flag, expected_fd=place.prog_fd)


def _in_mode(mode: XdpMode, program: Program, interface: Interface, attach: _Attach[_L]) -> _L:
    """Attach in one mode, or in the better of both, with the reason where that is generic."""
    if mode is not XdpMode.AUTO:
        return _attach_once(mode, program, interface, attach)
    try:
        return _attach_once(XdpMode.NATIVE, program, interface, attach)
    except PrivilegeError:
        raise
    except KernelError as error:
        if error.errno == ENODEV:
            raise
        note = f"not native: {error.message}"
        return _attach_once(XdpMode.GENERIC, program, interface, attach, note)


def _attach_once(
    mode: XdpMode, program: Program, interface: Interface, attach: _Attach[_L], note: str = ""
) -> _L:
    description = Description(
        target=Target.XDP,
        interface=interface.name,
        ifindex=interface.index,
        mode=mode.value,
        prog_id=program.id,
        note=note,
    )
    try:
        return attach(description, _FLAGS[mode])
    except KernelError as error:
        if error.errno in (EBUSY, EEXIST):
            raise _conflict(description) from error
        raise


def _clear(ifindex: int) -> None:
    """Take away whoever's programs netlink attached."""
    from netbpf.link import netlink

    state = netlink.xdp_state(ifindex)
    for attached, flag in ((state.native, XdpFlag.DRV_MODE), (state.generic, XdpFlag.SKB_MODE)):
        if attached:
            netlink.set_xdp(ifindex, netlink.NO_PROGRAM, flag)


def _conflict(wanted: Description) -> ConflictError:
    """Name the program that is attached already."""
    from netbpf.link import netlink

    state = netlink.xdp_state(wanted.ifindex)
    modes = {"native": state.native, "generic": state.generic, "offload": state.offload}
    attached = [f"{holder(id_)} ({mode})" for mode, id_ in modes.items() if id_]
    return ConflictError(
        f"{wanted.interface} has an XDP program already: {', '.join(attached) or 'unknown'}",
        remedy="`netbpf list` shows those of netbpf; another's goes with "
        f"`ip link set dev {wanted.interface} xdp off`, or attach at tc",
    )
