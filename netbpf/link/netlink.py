"""rtnetlink as far as attaching goes: XDP programs, clsact, and its BPF filters.

The only home of pyroute2, which packs and unpacks the messages; it takes 100 ms to import, so
import this module where it is used. The socket is our own: pyroute2's is an event loop, which
cannot run inside another one, and leaks where file descriptors run out.
Every function works in the network namespace of the calling thread.
Sources: rtnetlink(7), net/core/rtnetlink.c, net/sched/cls_api.c, cls_bpf.c.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from errno import EACCES, ENOENT, EPERM
from os import strerror
from typing import Any

from pyroute2.netlink import nla, nlmsg, nlmsgerr
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netbpf.errors import AttachError, KernelError, NotSupportedError
from netbpf.kernel.errors import kernel_error, refused
from netbpf.records import dataclass
from netbpf.uapi.capability import Cap
from netbpf.uapi.if_ether import EthP
from netbpf.uapi.if_link import XdpFlag
from netbpf.uapi.netlink import NETLINK_EXT_ACK, SOL_NETLINK, Nlm, NlmFlag, Rtm
from netbpf.uapi.pkt_cls import CLSACT, CLSACT_HANDLE, EGRESS, INGRESS, TcBpfFlag

NO_PROGRAM = -1  # the file descriptor that detaches
_NEW = NlmFlag.ACK | NlmFlag.CREATE | NlmFlag.EXCL
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ROOM = 1 << 18  # a dump's datagrams have 32 KiB; a link with many virtual functions has more
_SEQUENCE = 1  # each request has a socket of its own


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


class _XdpAttributes(nla):  # type: ignore[misc]  # pyroute2 has no types
    """What IFLA_XDP holds; pyroute2's own takes flags as words or numbers by its version."""

    nla_map = (
        ("IFLA_XDP_UNSPEC", "none"),
        ("IFLA_XDP_FD", "int32"),
        ("IFLA_XDP_ATTACHED", "uint8"),
        ("IFLA_XDP_FLAGS", "uint32"),
        ("IFLA_XDP_PROG_ID", "uint32"),
        ("IFLA_XDP_DRV_PROG_ID", "uint32"),
        ("IFLA_XDP_SKB_PROG_ID", "uint32"),
        ("IFLA_XDP_HW_PROG_ID", "uint32"),
        ("IFLA_XDP_EXPECTED_FD", "int32"),
    )


class _XdpLink(nlmsg):  # type: ignore[misc]  # pyroute2 has no types
    """A link message, with no other attribute."""

    prefix = "IFLA_"
    fields = ifinfmsg.fields
    nla_map = ((43, "IFLA_XDP", "xdp"),)
    xdp = _XdpAttributes


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
    """A filter message of kind bpf."""

    prefix = "TCA_"
    fields = tcmsg.fields
    nla_map = (("TCA_UNSPEC", "none"), ("TCA_KIND", "asciiz"), ("TCA_OPTIONS", "options"))
    options = _BpfOptions


def xdp_state(ifindex: int) -> XdpState:
    """Return which programs are attached to an interface's XDP hooks."""
    (reply,) = _ask(_link(ifindex), Rtm.GETLINK, NlmFlag(0), f"ask about XDP of {ifindex}")
    nested = _decoded(_XdpLink, reply).get_attr("IFLA_XDP")
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
    message = _link(ifindex)
    message["attrs"] = [("IFLA_XDP", {"attrs": attrs})]
    doing = "detach the XDP program" if fd == NO_PROGRAM else "attach the XDP program"
    _ask(message, Rtm.SETLINK, NlmFlag.ACK, f"{doing} of interface {ifindex}")


def clsact_kind(ifindex: int) -> str:
    """Return 'clsact', 'ingress' (the older kind, without egress), or '' where there is neither."""
    doing = f"list the qdiscs of interface {ifindex}"
    for reply in _ask(_tc(ifindex), Rtm.GETQDISC, NlmFlag.DUMP, doing):
        qdisc = _decoded(tcmsg, reply)
        kind = qdisc.get_attr("TCA_KIND")
        if qdisc["index"] == ifindex and kind in ("clsact", "ingress"):
            return str(kind)
    return ""


def add_clsact(ifindex: int) -> None:
    """Add the clsact qdisc; EEXIST where there is one, or an ingress qdisc."""
    _ask(_clsact(ifindex), Rtm.NEWQDISC, _NEW, f"add the clsact qdisc to interface {ifindex}")


def delete_clsact(ifindex: int) -> None:
    """Remove the clsact qdisc with every filter in it."""
    doing = f"remove the clsact qdisc of interface {ifindex}"
    _ask(_clsact(ifindex), Rtm.DELQDISC, NlmFlag.ACK, doing)


def clsact_empty(ifindex: int) -> bool:
    """Whether no filter of any kind hangs on the clsact qdisc."""
    return not any(_dump_filters(ifindex, parent) for parent in (INGRESS, EGRESS))


def filters(ifindex: int, parent: int) -> tuple[Filter, ...]:
    """Return the filters of one clsact chain in the order in which they run."""
    found = map(_filter, _dump_filters(ifindex, parent))
    # Every priority is announced by a message of its own, with handle 0.
    return tuple(entry for entry in found if entry.handle)


def add_filter(
    ifindex: int, parent: int, fd: int, *, name: str, priority: int, handle: int
) -> None:
    """Add a direct-action BPF filter; EEXIST if priority and handle are taken."""
    message = _bpf_filter(ifindex, parent, priority, handle, _options(fd, name))
    _ask(message, Rtm.NEWTFILTER, _NEW, f"add the filter to interface {ifindex}")


def replace_filter(
    ifindex: int, parent: int, fd: int, *, name: str, priority: int, handle: int
) -> None:
    """Give a BPF filter another program, with no packet in between that meets none."""
    message = _bpf_filter(ifindex, parent, priority, handle, _options(fd, name))
    flags = NlmFlag.ACK | NlmFlag.CREATE | NlmFlag.REPLACE
    _ask(message, Rtm.NEWTFILTER, flags, f"replace the filter of interface {ifindex}")


def delete_filter(ifindex: int, parent: int, *, priority: int, handle: int) -> None:
    """Remove a BPF filter."""
    message = _bpf_filter(ifindex, parent, priority, handle)
    _ask(message, Rtm.DELTFILTER, NlmFlag.ACK, f"remove the filter of interface {ifindex}")


def _link(ifindex: int) -> Any:
    message = _XdpLink()
    message["index"] = ifindex
    return message


def _tc(ifindex: int, parent: int = 0, handle: int = 0) -> Any:
    message = tcmsg()
    message["index"], message["parent"], message["handle"] = ifindex, parent, handle
    return message


def _clsact(ifindex: int) -> Any:
    message = _tc(ifindex, CLSACT, CLSACT_HANDLE)
    message["attrs"] = [("TCA_KIND", "clsact")]
    return message


def _bpf_filter(
    ifindex: int, parent: int, priority: int, handle: int, options: dict[str, Any] | None = None
) -> Any:
    message = _BpfFilter()
    message["index"], message["parent"], message["handle"] = ifindex, parent, handle
    message["info"] = priority << 16 | socket.htons(EthP.ALL)  # TC_H_MAKE(priority, protocol)
    message["attrs"] = [("TCA_KIND", "bpf")]
    if options is not None:
        message["attrs"].append(("TCA_OPTIONS", options))
    return message


def _options(fd: int, name: str) -> dict[str, Any]:
    flags = int(TcBpfFlag.ACT_DIRECT)
    attrs = [("TCA_BPF_FD", fd), ("TCA_BPF_NAME", name), ("TCA_BPF_FLAGS", flags)]
    return {"attrs": attrs}


def _dump_filters(ifindex: int, parent: int) -> list[bytes]:
    doing = f"list the filters of interface {ifindex}"
    return _ask(_tc(ifindex, parent), Rtm.GETTFILTER, NlmFlag.DUMP, doing)


def _filter(reply: bytes) -> Filter:
    message = _decoded(_BpfFilter, reply)
    kind, priority, handle = message.get_attr("TCA_KIND"), message["info"] >> 16, message["handle"]
    options = message.get_attr("TCA_OPTIONS") if kind == "bpf" else None
    if options is None:
        return Filter(kind, priority, handle)
    return Filter(
        kind=kind,
        priority=priority,
        handle=handle,
        name=options.get_attr("TCA_BPF_NAME") or "",
        prog_id=options.get_attr("TCA_BPF_ID") or 0,
        direct=bool((options.get_attr("TCA_BPF_FLAGS") or 0) & TcBpfFlag.ACT_DIRECT),
    )


def _decoded(kind: Any, reply: bytes) -> Any:
    message = kind(reply)
    message.decode()
    return message


def _ask(message: Any, type_: Rtm, flags: NlmFlag, doing: str) -> list[bytes]:
    """Send a request, and return the messages of the answer; a refusal is raised."""
    message["header"]["type"] = int(type_)
    message["header"]["flags"] = int(NlmFlag.REQUEST | flags)
    message["header"]["sequence_number"] = _SEQUENCE
    message.encode()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
            asked.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)  # refusals in words
            asked.send(message.data)
            return list(_answers(asked, doing, dump=bool(flags & NlmFlag.DUMP)))
    except OSError as error:
        caps = (Cap.NET_ADMIN,)
        raise kernel_error(error.errno or 0, command="netlink", doing=doing, caps=caps) from None


def _answers(asked: socket.socket, doing: str, *, dump: bool) -> Iterator[bytes]:
    """Yield the messages up to the one that ends the answer."""
    while True:
        for type_, reply in _split(asked.recv(_ROOM)):
            if type_ == Nlm.DONE:
                return
            if type_ == Nlm.ERROR:
                outcome = _decoded(nlmsgerr, reply)
                if outcome["error"]:
                    raise _worded(-outcome["error"], outcome.get_attr("NLMSGERR_ATTR_MSG"), doing)
                return
            yield reply
            if not dump:
                return


def _split(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, type_, *_ = _HEADER.unpack_from(datagram, at)
        yield type_, datagram[at : at + length]
        at += (length + 3) // 4 * 4


def _worded(code: int, said: str | None, doing: str) -> KernelError:
    if code in (EPERM, EACCES):
        return refused(code, command="netlink", doing=doing, caps=(Cap.NET_ADMIN,))
    reason = (said or strerror(code)).strip().rstrip(".")
    if code == ENOENT and ("unknown" in reason or "not found" in reason):
        return NotSupportedError(
            f"cannot {doing}: this kernel has no clsact qdisc or BPF classifier",
            command="netlink",
            errno=code,
            since="4.5",
            remedy="modprobe sch_ingress cls_bpf, or attach at xdp",
        )
    return AttachError(f"cannot {doing}: {reason}", command="netlink", errno=code)
