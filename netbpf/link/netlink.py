"""rtnetlink as far as attaching goes: XDP programs, clsact, and its BPF filters.

The only home of pyroute2. It takes 100 ms to import, so import this module where it is used.
Every function works in the network namespace of the calling thread.
Sources: net/core/rtnetlink.c, net/sched/cls_api.c, cls_bpf.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, ENOENT, EPERM
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink import nla, nlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netbpf.errors import AttachError, KernelError, NotSupportedError
from netbpf.kernel.errors import kernel_error, refused
from netbpf.uapi.capability import Cap
from netbpf.uapi.if_link import XdpFlag
from netbpf.uapi.pkt_cls import EGRESS, INGRESS, TcBpfFlag

NO_PROGRAM = -1  # the file descriptor that detaches


@dataclass(frozen=True, slots=True)
class XdpState:
    """The program ids at an interface's XDP hooks, 0 where there is none."""

    native: int = 0
    generic: int = 0
    offload: int = 0


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of a clsact chain. `name`, `prog_id`, `direct` tell of BPF filters only."""

    kind: str
    priority: int
    handle: int
    name: str = ""
    prog_id: int = 0
    direct: bool = False  # its program's return value is the verdict


def xdp_state(ifindex: int) -> XdpState:
    """Return which programs are attached to an interface's XDP hooks."""
    with _speaking("ask about XDP", ifindex) as route:
        (link,) = route.get_links(ifindex)
        nested = link.get_attr("IFLA_XDP")
    if nested is None:
        return XdpState()
    return XdpState(
        native=nested.get_attr("IFLA_XDP_DRV_PROG_ID") or 0,
        generic=nested.get_attr("IFLA_XDP_SKB_PROG_ID") or 0,
        offload=nested.get_attr("IFLA_XDP_HW_PROG_ID") or 0,
    )


def set_xdp(ifindex: int, fd: int, flags: XdpFlag, *, expected_fd: int | None = None) -> None:
    """Attach the program `fd`, or detach by NO_PROGRAM.

    With `expected_fd` only if that program is the one attached (Linux 5.7), else EEXIST.
    """
    attrs = [("IFLA_XDP_FD", fd)]
    if expected_fd is not None:
        flags |= XdpFlag.REPLACE
        attrs.append(("IFLA_XDP_EXPECTED_FD", expected_fd))
    attrs.append(("IFLA_XDP_FLAGS", int(flags)))
    doing = "detach the XDP program" if fd == NO_PROGRAM else "attach the XDP program"
    with _speaking(doing, ifindex) as route:
        route.link("set", index=ifindex, xdp={"attrs": attrs})


def clsact_kind(ifindex: int) -> str:
    """Return 'clsact', 'ingress' (the older kind, without egress), or '' where there is neither."""
    with _speaking("list the qdiscs", ifindex) as route:
        kinds = [qdisc.get_attr("TCA_KIND") for qdisc in route.get_qdiscs(ifindex)]
    return next((str(kind) for kind in kinds if kind in ("clsact", "ingress")), "")


def add_clsact(ifindex: int) -> None:
    """Add the clsact qdisc; EEXIST where there is one, or an ingress qdisc."""
    with _speaking("add the clsact qdisc", ifindex) as route:
        route.tc("add", "clsact", ifindex)


def delete_clsact(ifindex: int) -> None:
    """Remove the clsact qdisc with every filter in it."""
    with _speaking("remove the clsact qdisc", ifindex) as route:
        route.tc("del", "clsact", ifindex)


def filters(ifindex: int, parent: int) -> tuple[Filter, ...]:
    """Return the filters of one clsact chain in the order in which they run."""
    with _speaking("list the filters", ifindex) as route:
        found = [_filter(message) for message in route.get_filters(ifindex, parent=parent)]
    # Every priority is announced by a line of its own, with handle 0.
    return tuple(entry for entry in found if entry.handle)


def clsact_empty(ifindex: int) -> bool:
    """Whether no filter of any kind hangs on the clsact qdisc."""
    with _speaking("list the filters", ifindex) as route:
        return not any(
            tuple(route.get_filters(ifindex, parent=parent)) for parent in (INGRESS, EGRESS)
        )


def add_filter(
    ifindex: int, parent: int, fd: int, *, name: str, priority: int, handle: int
) -> None:
    """Add a direct-action BPF filter; EEXIST if priority and handle are taken."""
    with _speaking("add the filter", ifindex) as route:
        route.tc("add-filter", "bpf", ifindex, **_filter_words(parent, fd, name, priority, handle))


def replace_filter(
    ifindex: int, parent: int, fd: int, *, name: str, priority: int, handle: int
) -> None:
    """Give a BPF filter another program, with no packet in between that meets none."""
    words = _filter_words(parent, fd, name, priority, handle)
    with _speaking("replace the filter", ifindex) as route:
        route.tc("replace-filter", "bpf", ifindex, **words)


def delete_filter(ifindex: int, parent: int, *, priority: int, handle: int) -> None:
    """Remove a BPF filter."""
    with _speaking("remove the filter", ifindex) as route:
        route.tc("del-filter", "bpf", ifindex, parent=parent, prio=priority, handle=handle)


def _filter_words(
    parent: int, fd: int, name: str, priority: int, handle: int
) -> dict[str, int | str]:
    return {
        "parent": parent,
        "fd": fd,
        "name": name,
        "prio": priority,
        "handle": handle,
        "flags": int(TcBpfFlag.ACT_DIRECT),
    }


class _BpfOptions(nla):  # type: ignore[misc]  # pyroute2 has no types
    """TCA_OPTIONS of cls_bpf; pyroute2's own lacks the program's id."""

    nla_map = (
        ("TCA_BPF_UNSPEC", "none"),
        ("TCA_BPF_ACT", "hex"),
        ("TCA_BPF_POLICE", "hex"),
        ("TCA_BPF_CLASSID", "uint32"),
        ("TCA_BPF_OPS_LEN", "uint16"),
        ("TCA_BPF_OPS", "hex"),
        ("TCA_BPF_FD", "uint32"),
        ("TCA_BPF_NAME", "asciiz"),
        ("TCA_BPF_FLAGS", "uint32"),
        ("TCA_BPF_FLAGS_GEN", "uint32"),
        ("TCA_BPF_TAG", "hex"),
        ("TCA_BPF_ID", "uint32"),
    )


class _BpfFilter(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """A RTM_NEWTFILTER message of kind bpf."""

    prefix = "TCA_"
    fields = tcmsg.fields
    nla_map = (("TCA_UNSPEC", "none"), ("TCA_KIND", "asciiz"), ("TCA_OPTIONS", "options"))
    options = _BpfOptions


def _filter(message: Any) -> Filter:
    """Read a message that pyroute2 received; BPF filters are decoded again by _BpfFilter."""
    kind, priority, handle = message.get_attr("TCA_KIND"), message["info"] >> 16, message["handle"]
    if kind != "bpf" or not handle:
        return Filter(kind, priority, handle)
    again = _BpfFilter(message.data, offset=message.offset)
    again.decode()
    options = again.get_attr("TCA_OPTIONS")
    return Filter(
        kind=kind,
        priority=priority,
        handle=handle,
        name=options.get_attr("TCA_BPF_NAME") or "",
        prog_id=options.get_attr("TCA_BPF_ID") or 0,
        direct=bool((options.get_attr("TCA_BPF_FLAGS") or 0) & TcBpfFlag.ACT_DIRECT),
    )


@contextmanager
def _speaking(doing: str, ifindex: int) -> Iterator[Any]:
    """Open a netlink socket, and word the refusals of what is asked on it."""
    try:
        with IPRoute(ext_ack=True) as route:
            yield route
    except NetlinkError as error:
        raise _worded(error, f"{doing} of interface {ifindex}") from None
    except OSError as error:
        raise kernel_error(
            error.errno or 0, command="netlink", doing=doing, caps=(Cap.NET_ADMIN,)
        ) from None


def _worded(error: NetlinkError, doing: str) -> KernelError:
    code, reason = int(error.code), str(error.args[1]).strip().rstrip(".")
    if code in (EPERM, EACCES):
        return refused(code, command="netlink", doing=doing, caps=(Cap.NET_ADMIN,))
    if (code == ENOENT and "unknown" in reason) or "not found" in reason:
        return NotSupportedError(
            f"cannot {doing}: this kernel has no clsact qdisc or BPF classifier",
            command="netlink",
            errno=code,
            since="4.5",
            remedy="modprobe sch_ingress cls_bpf, or attach at xdp",
        )
    return AttachError(f"cannot {doing}: {reason}", command="netlink", errno=code)
