"""Attach a program to an interface's tcx hook (Linux 6.6), which needs no qdisc.

Several programs run one after the other, ahead of clsact's filters; ours is put first, so that it
sees what the others drop. Source: kernel/bpf/tcx.c, mprog.c.
"""

from __future__ import annotations

from netbpf.kernel.interface import Interface
from netbpf.link.base import Description
from netbpf.link.bpf_link import BpfLink
from netbpf.objects import Program
from netbpf.spec import Target
from netbpf.uapi.bpf import AttachFlag, AttachType

_ATTACH = {Target.TC: AttachType.TCX_INGRESS, Target.TC_EGRESS: AttachType.TCX_EGRESS}


def attach(program: Program, interface: Interface, target: Target) -> BpfLink:
    """Attach at Target.TC (ingress) or TC_EGRESS, in the calling thread's namespace.

    Raises NotSupportedError (tcx needs Linux 6.6), AttachError, PrivilegeError.
    """
    description = Description(
        target=target,
        interface=interface.name,
        ifindex=interface.index,
        mode="tcx",
        prog_id=program.id,
    )
    return BpfLink.create(program, description, _ATTACH[target], AttachFlag.BEFORE)
