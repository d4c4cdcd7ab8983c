"""Attach a program to an interface's traffic control hook, ingress or egress.

By tcx (6.6), which ends with the process, or as a direct-action filter of the clsact qdisc, which
outlives it. Other filters and qdiscs are left alone; a clsact qdisc that netbpf made is marked in
the names of its filters, and goes with the last of them.
Source: net/sched/cls_api.c, sch_ingress.c.
"""

from __future__ import annotations

from errno import EINVAL, ENODEV, ENOENT

from netbpf.errors import ConflictError, KernelError, NotFoundError, NotSupportedError
from netbpf.kernel.interface import Interface, exists
from netbpf.link import tcx
from netbpf.link.base import Description, LastingLink, Link, Place
from netbpf.objects import Program
from netbpf.records import replace
from netbpf.spec import Target
from netbpf.uapi.pkt_cls import EGRESS, INGRESS

HANDLE = 0x6E62  # "nb"; each filter has a priority of its own
FIRST_PRIORITY = 10  # early, but behind what people number by hand
_PRIORITIES = range(FIRST_PRIORITY, 0x10000)
_NAME = "netbpf"
_MADE_QDISC = "netbpf+clsact"
_GONE = (ENODEV, ENOENT, EINVAL)  # the interface, the filter, the qdisc


def attach(program: Program, interface: Interface, target: Target, *, name: str = "") -> Link:
    """Attach at Target.TC (ingress) or TC_EGRESS, in the calling thread's namespace.

    By tcx where the kernel has it; the link then ends with the process at the latest.
    Raises AttachError, ConflictError, PrivilegeError.
    """
    try:
        return tcx.attach(program, interface, target)
    except NotSupportedError:
        return attach_lasting(program, interface, target, name=name)


def attach_lasting(
    program: Program, interface: Interface, target: Target, *, name: str = ""
) -> ClsactFilter:
    """Attach so that it outlives the process, unless the link is closed.

    `name` is shown by `tc filter`. Raises AttachError, ConflictError, PrivilegeError,
    NotSupportedError where the kernel was built without clsact.
    """
    return ClsactFilter.attach(program, interface, target, name)


class ClsactFilter(LastingLink):
    """A filter of the clsact qdisc. It stays until it is closed."""

    def __init__(self, place: Place, priority: int, name: str) -> None:
        super().__init__(place)
        self.priority = priority
        self.name = name  # as `tc filter show` prints it

    @classmethod
    def attach(
        cls, program: Program, interface: Interface, target: Target, name: str
    ) -> ClsactFilter:
        """Add a filter at the first free priority, and the qdisc where there is none."""
        description = Description(
            target=target,
            interface=interface.name,
            ifindex=interface.index,
            mode="clsact",
            prog_id=program.id,
        )
        place = Place.here(description, program.fd)
        try:
            with place.netns.locked():
                priority, shown = _add(description, program.fd, name)
        except BaseException:
            place.close()
            raise
        return cls(place, priority, shown)

    @classmethod
    def find(cls, description: Description, prog_fd: int) -> ClsactFilter | None:
        """Return the filter that runs the described program, None where there is none."""
        from netbpf.link import netlink

        for entry in netlink.filters(description.ifindex, _parent(description.target)):
            if entry.prog_id == description.prog_id and entry.handle == HANDLE:
                described = replace(description, mode="clsact")
                return cls(Place.here(described, prog_fd), entry.priority, entry.name)
        return None

    def alive(self) -> bool:
        """Whether the filter is there, with our program."""
        if self._place.closed:
            return False
        with self._place.entered():
            return exists(self._place.ifindex) and self._present()

    def replace(self, program: Program) -> None:
        """Run another program from the next packet on, if ours is still attached."""
        from netbpf.link import netlink

        place, parent = self._place, _parent(self._place.description.target)
        with place.entered(), place.netns.locked():
            if not self._present():
                raise NotFoundError(f"the filter {self.name!r} is not attached any more")
            netlink.replace_filter(
                *(place.ifindex, parent, program.fd),
                name=self.name,
                priority=self.priority,
                handle=HANDLE,
            )
        place.hold(program)

    def close(self) -> None:
        """Remove our filter, and a qdisc of ours that is empty then. May be called again."""
        if self._place.closed:
            return
        try:
            with self._place.entered(), self._place.netns.locked():
                self._remove()
        except KernelError as error:
            if error.errno not in _GONE:
                raise
        self.leave()

    def _present(self) -> bool:
        from netbpf.link import netlink

        parent = _parent(self._place.description.target)
        return any(
            (entry.priority, entry.handle, entry.prog_id)
            == (self.priority, HANDLE, self._place.prog_id)
            for entry in netlink.filters(self._place.ifindex, parent)
        )

    def _remove(self) -> None:
        from netbpf.link import netlink

        ifindex, parent = self._place.ifindex, _parent(self._place.description.target)
        if self._present():
            netlink.delete_filter(ifindex, parent, priority=self.priority, handle=HANDLE)
        if self.name.startswith(_MADE_QDISC) and netlink.clsact_empty(ifindex):
            netlink.delete_clsact(ifindex)


def _add(wanted: Description, fd: int, name: str) -> tuple[int, str]:
    """Add qdisc and filter; return the filter's priority, and its name."""
    from netbpf.link import netlink

    made = _ensure_qdisc(wanted)
    try:
        ours = _MADE_QDISC if made or _marked(wanted.ifindex) else _NAME
        shown = f"{ours}:{name}" if name else ours
        parent = _parent(wanted.target)
        taken = {entry.priority for entry in netlink.filters(wanted.ifindex, parent)}
        priority = next(number for number in _PRIORITIES if number not in taken)
        netlink.add_filter(
            *(wanted.ifindex, parent, fd), name=shown, priority=priority, handle=HANDLE
        )
    except BaseException:
        if made:
            netlink.delete_clsact(wanted.ifindex)
        raise
    return priority, shown


def _ensure_qdisc(wanted: Description) -> bool:
    """Make the clsact qdisc where there is none; say whether that was so."""
    from netbpf.link import netlink

    kind = netlink.clsact_kind(wanted.ifindex)
    if kind == "ingress" and wanted.target is Target.TC_EGRESS:
        raise ConflictError(
            f"{wanted.interface} has an ingress qdisc, which has no egress hook",
            remedy=f"replace it: tc qdisc replace dev {wanted.interface} clsact",
        )
    if not kind:
        netlink.add_clsact(wanted.ifindex)
    return not kind


def _marked(ifindex: int) -> bool:
    """Whether a filter of ours says that netbpf made the qdisc."""
    from netbpf.link import netlink

    found = [*netlink.filters(ifindex, INGRESS), *netlink.filters(ifindex, EGRESS)]
    return any(entry.name.split(":")[0] == _MADE_QDISC for entry in found)


def _parent(target: Target) -> int:
    return EGRESS if target is Target.TC_EGRESS else INGRESS
