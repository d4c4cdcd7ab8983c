"""Live traffic at every hook: what is counted is what the frames' facts say, frame by frame.

Each frame of the zoo goes through a veth pair past an attached program, and the counters are read
behind each. The truth comes from the scapy layers that the frame was built from.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netbpf import compile as compiler
from netbpf.expr.names import NoNames
from netbpf.kernel import interface
from netbpf.link import socket_filter, tc, tcx, xdp
from netbpf.link.xdp import XdpMode
from netbpf.objects import Program
from netbpf.observe import counters
from netbpf.spec import ProgramSpec, Target
from tests.net.wire import SENTINEL_FACTS, Wire, wire
from tests.support.packets import Facts, frame, zoo
from tests.support.truth import TRUTHS, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netbpf.link.base import Link

pytestmark = pytest.mark.root

OPTIONS = compiler.Options(resolver=NoNames())


class Hook(NamedTuple):
    """A place to attach to, and on which side of the wire."""

    name: str
    target: Target
    attach: Callable[[Program, interface.Interface], Link]
    near: bool = False

    def __str__(self) -> str:
        return self.name


HOOKS = (
    Hook("xdp-native", Target.XDP, lambda p, i: xdp.attach(p, i, mode=XdpMode.NATIVE)),
    Hook("xdp-generic", Target.XDP, lambda p, i: xdp.attach(p, i, mode=XdpMode.GENERIC)),
    Hook("clsact", Target.TC, lambda p, i: tc.attach_lasting(p, i, Target.TC)),
    Hook("tcx", Target.TC, lambda p, i: tcx.attach(p, i, Target.TC)),
    Hook(
        "clsact-egress",
        Target.TC_EGRESS,
        lambda p, i: tc.attach_lasting(p, i, Target.TC_EGRESS),
        near=True,
    ),
    Hook(
        "tcx-egress", Target.TC_EGRESS, lambda p, i: tcx.attach(p, i, Target.TC_EGRESS), near=True
    ),
    Hook("socket", Target.SOCKET, socket_filter.attach),
    Hook("socket-outgoing", Target.SOCKET, socket_filter.attach, near=True),
)
DROPPING = tuple(hook for hook in HOOKS if hook.target is not Target.SOCKET)


class Attached(NamedTuple):
    """A running program and where it counts."""

    spec: ProgramSpec
    program: Program

    def read(self) -> counters.Counters:
        assert self.spec.counters is not None
        return counters.read(self.spec.counters, self.program.maps)


@pytest.fixture(scope="module")
def ends() -> Iterator[Wire]:
    with wire(mtu=9000) as made:
        yield made


@contextmanager
def attached(hook: Hook, ends: Wire, spec: ProgramSpec) -> Iterator[Attached]:
    end = ends.near if hook.near else ends.far
    with Program.load(spec) as program, end.entered():
        link = hook.attach(program, interface.find(end.device))
        with link:
            yield Attached(spec, program)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.expression or "everything")
@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_counts(hook: Hook, truth: Truth, ends: Wire) -> None:
    spec = compiler.compile_filter(truth.expression, target=hook.target, options=OPTIONS)
    with attached(hook, ends, spec) as filter_:
        counted = {name: count(filter_, ends, name) for name in zoo()}
    assert counted == {x.name: expected(truth, x.facts) for x in zoo().values()}


def count(filter_: Attached, ends: Wire, name: str) -> tuple[int, int]:
    """Return what one frame, and the sentinel after it, add to the packets and bytes counted."""
    before = filter_.read()
    assert ends.carry(frame(name).data)
    after = filter_.read()
    return after.packets - before.packets, after.bytes - before.bytes


def expected(truth: Truth, facts: Facts) -> tuple[int, int]:
    lengths = [x.length for x in (facts, SENTINEL_FACTS) if truth.matches(x)]
    return len(lengths), sum(lengths)
