"""The places where a filter is attached in live tests, and a filter that is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from netbpf.kernel import interface
from netbpf.link import socket_filter, tc, tcx, xdp
from netbpf.link.xdp import XdpMode
from netbpf.objects import Program
from netbpf.observe import counters
from netbpf.spec import ProgramSpec, Target
from tests.support.buffs import DIRECT, this_kernels
from tests.support.packets import Frame, frame, zoo
from tests.support.programs import FRAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netbpf.btf.skb import SkBuff
    from netbpf.link.base import Link
    from tests.net.wire import Wire


TCX = "attach at tc, tcx"
JUMBO = "XDP programs for jumbo frames"
LARGE, ONE_BUFFER = 9000, 3400  # MTUs; the smaller is what native XDP takes on old kernels
_LINK_HEADER = 18  # bytes, with a VLAN tag


class Hook(NamedTuple):
    """A place to attach to, and on which side of the wire."""

    name: str
    target: Target
    attach: Callable[[Program, interface.Interface], Link]
    near: bool = False
    needs_kernel: str = ""  # see tests.support.skips
    mtu: int = LARGE
    direct: bool = False  # a socket, read through the kernel's own struct sk_buff

    def buff(self) -> SkBuff | None:
        """Return what programs are compiled with."""
        return this_kernels() if self.direct else None

    def __str__(self) -> str:
        return self.name


HOOKS = (
    Hook(
        "xdp-native",
        Target.XDP,
        lambda p, i: xdp.attach(p, i, mode=XdpMode.NATIVE),
        mtu=LARGE if FRAGS else ONE_BUFFER,
    ),
    Hook("xdp-generic", Target.XDP, lambda p, i: xdp.attach(p, i, mode=XdpMode.GENERIC)),
    Hook("clsact", Target.TC, lambda p, i: tc.attach_lasting(p, i, Target.TC)),
    Hook("tcx", Target.TC, lambda p, i: tcx.attach(p, i, Target.TC), needs_kernel=TCX),
    Hook(
        "clsact-egress",
        Target.TC_EGRESS,
        lambda p, i: tc.attach_lasting(p, i, Target.TC_EGRESS),
        near=True,
    ),
    Hook(
        "tcx-egress",
        Target.TC_EGRESS,
        lambda p, i: tcx.attach(p, i, Target.TC_EGRESS),
        near=True,
        needs_kernel=TCX,
    ),
    Hook("socket", Target.SOCKET, socket_filter.attach),
    Hook("socket-outgoing", Target.SOCKET, socket_filter.attach, near=True),
    Hook("socket-direct", Target.SOCKET, socket_filter.attach, needs_kernel=DIRECT, direct=True),
    Hook(
        "socket-direct-outgoing",
        Target.SOCKET,
        socket_filter.attach,
        near=True,
        needs_kernel=DIRECT,
        direct=True,
    ),
)
DROPPING = tuple(hook for hook in HOOKS if hook.target is not Target.SOCKET)


def frames(hook: Hook) -> dict[str, Frame]:
    """Return the frames of the zoo that fit through a hook's wire."""
    largest = hook.mtu + _LINK_HEADER
    return {name: one for name, one in zoo().items() if len(one.data) <= largest}


class Attached(NamedTuple):
    """A running program and where it counts."""

    spec: ProgramSpec
    program: Program

    def read(self) -> counters.Counters:
        assert self.spec.counters is not None
        return counters.read(self.spec.counters, self.program.maps)


@contextmanager
def attached(hook: Hook, ends: Wire, spec: ProgramSpec) -> Iterator[Attached]:
    end = ends.near if hook.near else ends.far
    with Program.load(spec) as program, end.entered():
        link = hook.attach(program, interface.find(end.device))
        with link:
            yield Attached(spec, program)


def count(filter_: Attached, ends: Wire, name: str) -> tuple[int, int]:
    """Return what one frame, and the sentinel after it, add to the packets and bytes counted."""
    before = filter_.read()
    assert ends.carry(frame(name).data)
    after = filter_.read()
    return after.packets - before.packets, after.bytes - before.bytes
