"""Attachments that stay when the process ends: make one, find it again, take it away.

What is kept is pinned first and attached then: its name is claimed before anything changes on the
network, and a process killed in between leaves something that can be listed and removed.
Depends on objects.pins, link.xdp, link.tc.
"""

from __future__ import annotations

import time
from contextlib import suppress

from netbpf import __version__
from netbpf.errors import InputError, UsageError
from netbpf.kernel.interface import Interface, exists
from netbpf.kernel.netns import Netns
from netbpf.link import tc, xdp
from netbpf.link.base import Description, LastingLink
from netbpf.link.xdp import XdpMode
from netbpf.objects.kept import Kept
from netbpf.objects.pins import Pins
from netbpf.objects.program import Program
from netbpf.spec import ProgramSpec, Target


def keep(
    program: Program,
    spec: ProgramSpec,
    interface: Interface,
    *,
    name: str,
    pins: Pins,
    netns: str = "",
    mode: XdpMode = XdpMode.AUTO,
) -> LastingLink:
    """Attach `program`, loaded from `spec`, to stay, in the calling thread's namespace.

    `netns` is how the user calls that namespace. Leave the link to let go of it; closing it
    detaches without removing the pins (`detach` does both). On failure nothing is left behind.
    Raises UsageError for a socket, which nothing can keep; ConflictError where the name is taken
    or another program is attached; what attaching raises.
    """
    if spec.target in (None, Target.SOCKET, Target.CBPF):
        raise UsageError("a socket filter ends with its process", remedy="keep it at xdp or tc")
    pins.save(_described(program, spec, interface, name, netns), program)
    try:
        return _attach(program, spec.target, interface, name, mode)
    except BaseException:
        pins.remove(name)
        raise


def find(kept: Kept, pins: Pins) -> LastingLink | None:
    """Return the link of a kept attachment, None where it is not attached any more.

    Closing the link detaches; leave it to let it stay.
    """
    netns = Netns.find(kept.netns_id)
    if netns is None:
        return None
    sought = Description(kept.target, kept.interface, kept.ifindex, mode="", prog_id=kept.prog_id)
    with netns, netns.entered(), pins.open(kept.name) as program:
        if not exists(kept.ifindex):
            return None
        if kept.target is Target.XDP:
            return xdp.NetlinkXdp.find(sought, program.fd)
        return tc.ClsactFilter.find(sought, program.fd)


def detach(name: str, pins: Pins) -> Description | None:
    """Detach what is kept by `name` and remove its pins; return where it was, if it still was.

    Takes the names of what a killed process left, too. Raises NotFoundError.
    """
    described = None
    with suppress(InputError, UsageError):  # damaged or unfinished: nothing tells where it is
        link = find(pins.kept(name), pins)
        if link is not None:
            described = link.describe()
            link.close()
    pins.remove(name)
    return described


def _attach(
    program: Program, target: Target, interface: Interface, name: str, mode: XdpMode
) -> LastingLink:
    if target is Target.XDP:
        return xdp.attach_lasting(program, interface, mode=mode)
    return tc.attach_lasting(program, interface, target, name=name)


def _described(
    program: Program, spec: ProgramSpec, interface: Interface, name: str, netns: str
) -> Kept:
    assert spec.target is not None
    with Netns.open() as here:
        identity = here.identity
    return Kept(
        name=name,
        interface=interface.name,
        ifindex=interface.index,
        netns=netns,
        netns_id=identity,
        target=spec.target,
        expression=spec.text,
        action=spec.action,
        linktype=spec.linktype,
        since=time.time(),
        prog_id=program.id,
        tag=program.info.tag,
        insns=len(spec.insns),
        counters=spec.counters,
        version=__version__,
    )
