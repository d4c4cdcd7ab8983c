"""Attach an expression to interfaces for `netbpf filter`, and take it away again."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from errno import E2BIG
from typing import TYPE_CHECKING, NamedTuple

from netbpf.cli import output
from netbpf.cli.shapes import Where
from netbpf.errors import (
    ConflictError,
    KernelError,
    PrivilegeError,
    UsageError,
    VerifierError,
)
from netbpf.spec import Action, Key, ProgramSpec, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netbpf.cli.request import Request
    from netbpf.compiler import Options
    from netbpf.kernel.interface import Interface
    from netbpf.kernel.netns import Netns
    from netbpf.link.base import LastingLink, Link
    from netbpf.link.xdp import XdpMode
    from netbpf.objects import Program
    from netbpf.observe.counters import Counters

_OF_TWO_KINDS = (Target.XDP, Target.SOCKET)  # of programs: what new kernels take, and what all do


class Order(NamedTuple):
    """What is to be attached, as the command line says it. `keep` is '' for "until the end"."""

    request: Request
    target: Target
    action: Action
    by: tuple[Key, ...]
    xdp_mode: XdpMode
    netns: str | None
    keep: str
    yes: bool

    def check(self) -> None:
        """Raise UsageError for what can never be."""
        if self.target is not Target.SOCKET:
            return
        remedy = "add --at xdp, tc or tc-egress"
        if self.action is not Action.COUNT:
            raise UsageError(
                f"a socket only observes: it cannot {self.action.value} packets", remedy=remedy
            )
        if self.keep:
            raise UsageError("a socket filter ends with its process", remedy=remedy)


class Attachment(AbstractContextManager["Attachment"]):
    """A filter on one interface, with its counters. Left, it is detached."""

    def __init__(self, where: Where, program: Program, spec: ProgramSpec, link: Link) -> None:
        self.where = where
        self.note = link.describe().note
        self._program, self._spec, self._link = program, spec, link

    def counters(self, by: Sequence[Key] | None = None) -> Counters:
        """Read the counters, or those of `by` only; possible until this object is left."""
        from netbpf.observe import counters

        assert self._spec.counters is not None
        return counters.read(self._spec.counters, self._program.maps, by=by)

    def alive(self) -> bool:
        """Whether it is still attached."""
        return self._link.alive()

    def end(self) -> None:
        """Come to the end of counting: detach, but leave the counters to be read."""
        self._link.close()

    def undo(self) -> None:
        """Take everything back."""
        self._link.close()

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._program.close()


class KeptAttachment(Attachment):
    """One that stays attached when it is left."""

    _link: LastingLink

    def end(self) -> None:
        """Go on counting."""

    def undo(self) -> None:
        """Detach, and remove what was pinned."""
        from netbpf.link import kept
        from netbpf.objects.pins import Pins

        kept.detach(self.where.name, Pins.usual())

    def __exit__(self, *_: object) -> None:
        self._link.leave()
        self._program.close()


def attach_all(order: Order, interfaces: tuple[str, ...], stack: ExitStack) -> list[Attachment]:
    """Attach to every interface, or to none; leaving the stack leaves what was attached.

    Without interfaces, to that of the default route. Raises what compiling, loading and attaching
    raise, and ConflictError where the user's own session would be cut.
    """
    from netbpf.kernel import interface
    from netbpf.kernel.netns import Netns

    netns = stack.enter_context(Netns.open(order.netns))
    attached = []
    with ExitStack() as undo, netns.entered():
        found = [interface.find(name) for name in interfaces or (interface.default_route(),)]
        chosen = {one.index: one for one in found}.values()
        for one in chosen:
            keep = kept_name(order.keep, one.name, alone=len(chosen) == 1)
            attachment = _attach(order._replace(keep=keep), one, netns)
            attached.append(attachment)
            undo.callback(attachment.undo)
        undo.pop_all()
    for attachment in attached:
        stack.enter_context(attachment)
    return attached


def kept_name(name: str, interface: str, *, alone: bool) -> str:
    """Return what a filter is kept by: of several interfaces each has its own name."""
    if not name or alone:
        return name
    return f"{name}-{''.join(c if c.isascii() and c.isalnum() else '_' for c in interface)}"


def _attach(order: Order, interface: Interface, netns: Netns) -> Attachment:
    options = order.request.options(linktype=interface.linktype, live=True)
    program, spec = _load(order, options)
    try:
        _check_safety(order, options, interface)
        if order.keep:
            return _keep(order, program, spec, interface, netns)
        link = _link(order, program, interface)
    except BaseException:
        program.close()
        raise
    return Attachment(_where(f"@{program.id}", link), program, spec, link)


def _link(order: Order, program: Program, interface: Interface) -> Link:
    """Attach; imports the one hook's module only."""
    if order.target is Target.SOCKET:
        from netbpf.link import socket_filter

        return socket_filter.attach(program, interface)
    if order.target is Target.XDP:
        from netbpf.link import xdp

        return xdp.attach(program, interface, mode=order.xdp_mode)
    from netbpf.link import tc

    return tc.attach(program, interface, order.target, name=f"@{program.id}")


def _load(order: Order, options: Options) -> tuple[Program, ProgramSpec]:
    """Compile and load what the newest kernels take, or else what all do.

    Before Linux 5.18 XDP programs cannot read multi-buffer packets; before 6.17 socket programs
    cannot read directly, which also makes them longer than a socket may have room for. Before 6.0 a
    map's value has at most 4 MiB, which rows for many CPUs are not within.
    """
    from netbpf import compiler
    from netbpf.kernel import buff, cpus, sockets
    from netbpf.link import strays
    from netbpf.objects import Program

    def load_for(bound: int | None, *, newest: bool) -> tuple[Program, ProgramSpec]:
        spec = compiler.compile_filter(
            order.request.text,
            target=order.target,
            action=order.action,
            by=order.by,
            name=strays.KEPT if order.keep else strays.RUNNING,
            options=options,
            frags=newest,
            cpus=bound,
            buff=buff.readable() if newest and order.target is Target.SOCKET else None,
        )
        with ExitStack() as undo:
            program = undo.enter_context(Program.load(spec))
            if order.target is Target.SOCKET:
                sockets.expect_room(program.fd)
            undo.pop_all()
        return program, spec

    def load(*, newest: bool) -> tuple[Program, ProgramSpec]:
        try:
            return load_for(cpus.bound(), newest=newest)
        except KernelError as error:
            if error.errno != E2BIG or isinstance(error, VerifierError):
                raise
        return load_for(None, newest=newest)

    try:
        program, spec = load(newest=True)
    except KernelError as error:
        if order.target not in _OF_TWO_KINDS or isinstance(error, PrivilegeError):
            raise
        try:
            program, spec = load(newest=False)
        except KernelError:
            raise error from None
    output.warn_all(spec.warnings)
    return program, spec


def _keep(
    order: Order, program: Program, spec: ProgramSpec, interface: Interface, netns: Netns
) -> KeptAttachment:
    from netbpf.kernel import bpffs
    from netbpf.link import kept
    from netbpf.objects.pins import Pins

    pins = Pins.usual()
    if not bpffs.mounted(pins.root):
        bpffs.mount(pins.root)
        output.note(f"mounted a BPF file system at {pins.root}, to keep the filter on")
    link = kept.keep(
        program, spec, interface, name=order.keep, pins=pins, netns=netns.path, mode=order.xdp_mode
    )
    return KeptAttachment(_where(order.keep, link), program, spec, link)


def _where(name: str, link: Link) -> Where:
    found = link.describe()
    return Where(name, found.interface, found.target.value, found.mode)


def _check_safety(order: Order, options: Options, interface: Interface) -> None:
    """Warn of what would be cut off; refuse to cut the session that the user sits in."""
    from netbpf import compiler
    from netbpf.cli import safety

    if order.action is Action.COUNT:
        return
    lowered = compiler.to_ir(order.request.text, options, order.target)
    cut = safety.cut_by(lowered.program, order.target, order.action, interface)
    for what in cut.neighbours:
        output.warn(
            f"{what} on {interface.name} is dropped too: hosts will lose each other in a while"
        )
    if cut.session is None or order.yes:
        return
    client, port = cut.session.source, cut.session.source_port
    raise ConflictError(
        f"this would cut your SSH session from {client} port {port}",
        remedy="exclude it from what is dropped, or insist with --yes",
    )
