"""Programs of netbpf that are attached, but not kept here: running, or left by a killed process.

They are known by name: programs that netbpf loads are called `netbpf`, those to be kept
`netbpf_kept`. What bpf_link attached, or a socket, ends with its process; what netlink attached
stays behind when that is killed (before Linux 5.9 at XDP, 6.6 at tc). Depends on kernel, link.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from netbpf.errors import KernelError, NotFoundError
from netbpf.kernel import info, interface
from netbpf.kernel.netns import Netns
from netbpf.kernel.netns import names as namespace_names
from netbpf.link import tc, xdp
from netbpf.link.base import Description
from netbpf.records import dataclass
from netbpf.spec import Target
from netbpf.uapi.pkt_cls import EGRESS, INGRESS

RUNNING = "netbpf"
"""The name of programs that are to end with their process."""

KEPT = "netbpf_kept"
"""The name of programs that are to stay."""

_PARENTS = {Target.TC: INGRESS, Target.TC_EGRESS: EGRESS}


@dataclass(frozen=True, slots=True)
class Stray:
    """An attached program that no pin knows. `netns` is the namespace's name, '' for this one.

    `pids` are the processes that hold the program. `kept`: it was meant to stay; its pins are
    gone, or on another BPF file system.
    """

    description: Description
    netns: str
    tag: str
    insns: int
    kept: bool
    pids: tuple[int, ...]

    @property
    def left_over(self) -> bool:
        """Whether nobody can want it any more."""
        return not self.kept and not self.pids

    @property
    def name(self) -> str:
        """What it is called by, as nobody named it."""
        return f"@{self.description.prog_id}"


def strays(known: frozenset[int] = frozenset()) -> list[Stray]:
    """Return the strays of this namespace and of all named ones, but for the program ids `known`.

    Programs of bpf_links are found at XDP, not at tcx. Raises PrivilegeError.
    """
    found: list[Stray] = []
    seen: set[tuple[int, int]] = set()
    for where in (None, *namespace_names()):
        with suppress(NotFoundError), Netns.open(where) as netns:
            if netns.identity not in seen:
                seen.add(netns.identity)
                with netns.entered():
                    found += _in_namespace(where or "", known)
    return found


def remove(stray: Stray) -> bool:
    """Detach a stray that was left behind; False if it is gone already."""
    wanted = stray.description
    with Netns.open(stray.netns or None) as netns, netns.entered():
        try:
            fd = info.open_id(info.Kind.PROG, wanted.prog_id)
        except KernelError:
            return False
        try:
            kind = xdp.NetlinkXdp if wanted.target is Target.XDP else tc.ClsactFilter
            link = kind.find(wanted, fd)
        finally:
            os.close(fd)
    if link is None:
        return False
    link.close()
    return True


def _in_namespace(netns: str, known: frozenset[int]) -> Iterator[Stray]:
    for name in interface.names():
        for description in _attached(name):
            if description.prog_id not in known:
                stray = _stray(description, netns)
                if stray is not None:
                    yield stray


def _attached(name: str) -> Iterator[Description]:
    """Yield whatever netlink tells of programs at an interface."""
    from netbpf.link import netlink

    try:
        index = interface.find(name).index
    except NotFoundError:  # gone meanwhile
        return
    state = netlink.xdp_state(index)
    for mode, prog_id in (("native", state.native), ("generic", state.generic)):
        if prog_id:
            yield Description(Target.XDP, name, index, mode, prog_id)
    if netlink.clsact_kind(index):
        for target, parent in _PARENTS.items():
            for entry in netlink.filters(index, parent):
                if entry.prog_id:
                    yield Description(target, name, index, "clsact", entry.prog_id)


def _stray(description: Description, netns: str) -> Stray | None:
    """Describe a program, if it is one of ours and still there."""
    try:
        with info.opened(info.Kind.PROG, description.prog_id) as fd:
            found = info.prog(fd)
    except KernelError:
        return None
    if found.name not in (RUNNING, KEPT):
        return None
    pids = _holders(description.prog_id)
    return Stray(description, netns, found.tag, found.insns, found.name == KEPT, pids)


def _holders(prog_id: int) -> tuple[int, ...]:
    """Return the processes, but for this one, with a descriptor of the program or its bpf_link."""
    wanted = f"prog_id:\t{prog_id}\n"
    pids = set()
    for entry in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with suppress(OSError):
            pid = int(entry.parts[2])
            if pid != os.getpid() and wanted in entry.read_text():
                pids.add(pid)
    return tuple(sorted(pids))
