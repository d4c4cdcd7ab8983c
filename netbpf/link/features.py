"""Which attach points this kernel has, found out in a network namespace made for the purpose.

The machine's own interfaces are left alone, so what their drivers can do stays unknown until a
program is attached. Depends on kernel.features, link.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.asm import ebpf
from netbpf.errors import NetbpfError, NotSupportedError
from netbpf.kernel import facts, features, interface
from netbpf.kernel.features import Feature, Probe, Topic
from netbpf.kernel.interface import Interface
from netbpf.kernel.netns import fresh
from netbpf.link import socket_filter, tc, tcx, xdp
from netbpf.link.base import Description, Link
from netbpf.link.bpf_link import BpfLink
from netbpf.link.xdp import XdpMode
from netbpf.objects import Program
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import AttachType, ProgType
from netbpf.uapi.if_link import XdpFlag

_Attach = Callable[[Program, Interface], Link]


def probe_all() -> list[Feature]:
    """Find out all that `netbpf doctor` tells. Takes some milliseconds, and leaves nothing."""
    return [
        *facts.find(),
        *features.probe_kernel(),
        *features.answers(PROBES),
        _default_interface(),
    ]


def _attaches(type_: ProgType, attach: _Attach) -> Callable[[], str]:
    """Return a probe that attaches a program to the loopback interface of a fresh namespace."""

    def ask() -> str:
        spec = ProgramSpec(
            name="netbpf_probe",
            type=type_,
            attach_type=AttachType.XDP if type_ is ProgType.XDP else None,
            insns=(ebpf.mov(0, 0), ebpf.leave()),
            maps=(),
            map_refs=(),
        )
        with (
            fresh(),
            Program.load(spec) as program,
            attach(program, interface.find("lo")) as link,
        ):
            return link.describe().note

    return ask


def _xdp_link(program: Program, lo: Interface) -> Link:
    described = Description(Target.XDP, lo.name, lo.index, "generic", program.id)
    return BpfLink.create(program, described, AttachType.XDP, XdpFlag.SKB_MODE)


def _xdp_netlink(program: Program, lo: Interface) -> Link:
    return xdp.attach_lasting(program, lo, mode=XdpMode.GENERIC)


def _replaces(program: Program, lo: Interface) -> Link:
    link = _xdp_netlink(program, lo)
    link.replace(program)
    return link


def _clsact(program: Program, lo: Interface) -> Link:
    return tc.attach_lasting(program, lo, Target.TC_EGRESS)


def _tcx(program: Program, lo: Interface) -> Link:
    return tcx.attach(program, lo, Target.TC_EGRESS)


PROBES = (
    Probe(
        Topic("attach a packet socket", "3.19", "`--at socket`"),
        _attaches(ProgType.SOCKET_FILTER, socket_filter.attach),
    ),
    Probe(
        Topic("attach at XDP, generic", "4.12", "`--at xdp` where the driver has no native XDP"),
        _attaches(ProgType.XDP, _xdp_netlink),
    ),
    Probe(
        Topic("replace at XDP", "5.7", "taking away netbpf's own program, and no other"),
        _attaches(ProgType.XDP, _replaces),
    ),
    Probe(
        Topic(
            "XDP by bpf_link",
            "5.9",
            "`--at xdp` without `--keep`: it ends with its process, however that ends",
            "netlink, as with `--keep`; what a killed process leaves, `list` shows",
        ),
        _attaches(ProgType.XDP, _xdp_link),
    ),
    Probe(
        Topic("attach at tc, clsact", "4.5", "`--at tc`, `tc-egress` with `--keep`"),
        _attaches(ProgType.SCHED_CLS, _clsact),
    ),
    Probe(
        Topic(
            "attach at tc, tcx",
            "6.6",
            "`--at tc`, `tc-egress` without `--keep`: it ends with its process, however that"
            " ends, and runs ahead of all filters",
            "clsact, as with `--keep`; what a killed process leaves, `list` shows",
        ),
        _attaches(ProgType.SCHED_CLS, _tcx),
    ),
)


def _default_interface() -> Feature:
    """Tell which interface `-i` defaults to, and what cannot be known about it."""
    try:
        found = interface.find(interface.default_route())
        linktype = found.linktype.name
    except NotSupportedError as error:
        return Feature("default interface", False, detail=error.message, remedy=error.remedy)
    except NetbpfError as error:
        return Feature("default interface", None, detail=error.message, remedy=error.remedy)
    driver = interface.driver(found.name) or "unknown"
    detail = f"{found.name}: {linktype}, mtu {found.mtu}, driver {driver}"
    return Feature("default interface", True, detail=f"{detail}; native XDP is known when attached")
