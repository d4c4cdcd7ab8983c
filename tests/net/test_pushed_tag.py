"""Tags that the kernel itself puts on: they travel beside the packet, not in it.

As a VLAN device would, a program at tcx egress pushes a tag, which the kernel keeps in the skb's
metadata. The filter at tcx egress runs ahead of it, and sees the frame as it was.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from netbpf import compiler
from netbpf.asm import ebpf
from netbpf.expr.names import NoNames
from netbpf.kernel import interface
from netbpf.link import tcx
from netbpf.objects import Program
from netbpf.records import replace
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import ProgType
from netbpf.uapi.pkt_cls import TcAction
from tests.net.hooks import HOOKS, TCX, Hook, attached, count
from tests.net.wire import SENTINEL_FACTS, Wire, wire
from tests.support.packets import Facts, Tag, zoo
from tests.support.truth import TRUTHS, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.root, pytest.mark.needs_kernel(TCX)]

OPTIONS = compiler.Options(resolver=NoNames())
SKB_VLAN_PUSH = 18  # enum bpf_func_id, include/uapi/linux/bpf.h
VID = 100
PUSH = ProgramSpec(
    name="push_tag",
    type=ProgType.SCHED_CLS,
    attach_type=None,
    insns=(
        ebpf.mov(2, 0x0081),  # htons(ETH_P_8021Q)
        ebpf.mov(3, VID),
        ebpf.call(SKB_VLAN_PUSH),
        ebpf.mov(0, TcAction.UNSPEC),
        ebpf.leave(),
    ),
    maps=(),
    map_refs=(),
)
EXPRESSIONS = {
    *("vlan 100", "vlan 200 and vlan 100 and udp", "not vlan", "tcp dst port 80", "less 76"),
    *("greater 9000", "ip6 net 2001:db8::/48", "frag later"),
}
SOME = tuple(truth for truth in TRUTHS if truth.expression in EXPRESSIONS)
BEHIND = tuple(hook for hook in HOOKS if hook.name != "tcx-egress")


@pytest.fixture(scope="module")
def ends() -> Iterator[Wire]:
    with wire(mtu=9000) as made, ExitStack() as stack:
        program = stack.enter_context(Program.load(PUSH))
        with made.near.entered():
            device = interface.find(made.near.device)
            stack.enter_context(tcx.attach(program, device, Target.TC_EGRESS))
        yield made


@pytest.mark.parametrize("truth", SOME, ids=lambda truth: truth.expression)
@pytest.mark.parametrize("hook", BEHIND, ids=str)
def test_counts(hook: Hook, truth: Truth, ends: Wire) -> None:
    spec = compiler.compile_filter(
        truth.expression, target=hook.target, options=OPTIONS, buff=hook.buff()
    )
    # Until 6.18 or so a veth had the kernel put tags into MPLS frames before it took them.
    frames = [x for x in zoo().values() if "mpls" not in x.name or hook.target is not Target.XDP]
    with attached(hook, ends, spec) as filter_:
        counted = {frame.name: count(filter_, ends, frame.name) for frame in frames}
    # A veth hands the metadata on; no driver shows it to XDP, which sees the frame without the tag.
    seen = as_it_was if hook.target is Target.XDP else with_tag
    assert counted == {x.name: expected(truth, x.facts, seen) for x in frames}


def expected(truth: Truth, facts: Facts, seen: Callable[[Facts], Facts]) -> tuple[int, int]:
    lengths = [seen(x).length for x in (facts, SENTINEL_FACTS) if truth.matches(seen(x))]
    return len(lengths), sum(lengths)


def as_it_was(facts: Facts) -> Facts:
    return facts


def with_tag(facts: Facts) -> Facts:
    return replace(facts, tags=(Tag(0x8100, VID), *facts.tags), length=facts.length + 4)
