"""The Python API: compile, load, attach, read the counters.

    spec = netbpf.compile("tcp dst port 80", target="xdp", by=["port"])
    with netbpf.load(spec) as loaded, netbpf.attach(loaded, "eth0"):
        time.sleep(10)
        print(netbpf.counters(loaded).packets)

`compile` needs no privilege and no kernel; `load` and `attach` need root, or CAP_BPF and
CAP_NET_ADMIN. All errors are NetbpfErrors (netbpf.errors).
Depends on compiler, objects, link, observe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from netbpf import compiler
from netbpf.errors import UsageError
from netbpf.expr.elements import parse_elements
from netbpf.expr.names import NoNames, SystemResolver
from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType
from netbpf.spec import Action, ClassicFilter, Key, ProgramSpec, Target

if TYPE_CHECKING:
    from enum import Enum

    from netbpf.link.base import Link
    from netbpf.objects import Program
    from netbpf.observe.counters import Counters

    _E = TypeVar("_E", bound=Enum)

Hook = Literal["xdp", "tc", "tc-egress", "socket"]


@overload
def compile(  # noqa: A001
    text: str,
    *,
    target: Literal["cbpf"],
    dialect: str | Dialect = ...,
    linktype: str | LinkType = ...,
    sets: Mapping[str, Iterable[str]] | None = ...,
    names: bool = ...,
    optimise: bool = ...,
    snaplen: int = ...,
) -> ClassicFilter: ...
@overload
def compile(  # noqa: A001
    text: str,
    *,
    target: Hook = ...,
    dialect: str | Dialect = ...,
    linktype: str | LinkType = ...,
    action: str | Action = ...,
    by: Iterable[str | Key] = ...,
    sets: Mapping[str, Iterable[str]] | None = ...,
    names: bool = ...,
    optimise: bool = ...,
    frags: bool = ...,
) -> ProgramSpec: ...
def compile(  # noqa: A001, PLR0913 - the word for it; as many as the command has options
    text: str,
    *,
    target: Hook | Literal["cbpf"] = "xdp",
    dialect: str | Dialect = Dialect.NETBPF,
    linktype: str | LinkType = LinkType.EN10MB,
    action: str | Action = Action.COUNT,
    by: Iterable[str | Key] = (),
    sets: Mapping[str, Iterable[str]] | None = None,
    names: bool = True,
    optimise: bool = True,
    snaplen: int = compiler.MAXIMUM_SNAPLEN,
    frags: bool = True,
) -> ProgramSpec | ClassicFilter:
    """Compile an expression for a hook, or to classic BPF for the target 'cbpf'.

    Words are those of the command line: `dialect` netbpf or pcap, `action` count, drop or pass,
    `by` port, sport, proto, src, dst or flow. `sets` gives `@name` its elements, as text. Without
    `names` nothing is looked up in files or the DNS. `snaplen` is what a classic filter returns for
    a match, bytes. Without `frags` an XDP program reads frames of one buffer only, and loads on
    Linux before 5.18 too. Raises ExpressionError, which points into `text`; UsageError for a word
    that is none of these.
    """
    options = compiler.Options(
        dialect=_word(Dialect, dialect),
        linktype=_linktype(linktype),
        snaplen=snaplen,
        optimise=optimise,
        resolver=SystemResolver() if names else NoNames(),
        sets={name: parse_elements("\n".join(of), name=name) for name, of in (sets or {}).items()},
    )
    wanted = _word(Target, target)
    if wanted is Target.CBPF:
        return compiler.compile_classic(text, options)
    return compiler.compile_filter(
        text,
        target=wanted,
        action=_word(Action, action),
        by=[_word(Key, key) for key in by],
        options=options,
        frags=frags,
    )


class Loaded(AbstractContextManager["Loaded"]):
    """A compiled filter in the kernel, with its counters. Close it, or use it in a `with`."""

    def __init__(self, spec: ProgramSpec, program: Program) -> None:
        self.spec = spec
        self.program = program

    def close(self) -> None:
        """Let go of the program and its maps. What is attached stays until its link is closed."""
        self.program.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def load(spec: ProgramSpec) -> Loaded:
    """Load a program and create its maps, or leave nothing behind.

    Raises PrivilegeError, NotSupportedError, VerifierError, KernelError.
    """
    from netbpf.objects import Program

    return Loaded(spec, Program.load(spec))


def attach(
    loaded: Loaded, interface: str, *, netns: str | None = None, xdp_mode: str = "auto"
) -> Link:
    """Attach to the hook that the filter was compiled for; closing the link detaches.

    `netns` is a network namespace by name or path. Raises NotFoundError for an interface that is
    not there, ConflictError that names a program in the way, UsageError where the interface's
    packets begin with another header than the filter was compiled for.
    """
    from netbpf.kernel.interface import find
    from netbpf.kernel.netns import Netns
    from netbpf.link import socket_filter, tc, xdp

    spec, program = loaded.spec, loaded.program
    with Netns.open(netns) as namespace, namespace.entered():
        found = find(interface)
        if found.linktype is not spec.linktype:
            raise UsageError(
                f"{interface} has link type {found.linktype.name}, "
                f"the filter was compiled for {spec.linktype.name}",
                remedy=f"compile it with linktype={found.linktype.name!r}",
            )
        if spec.target is Target.XDP:
            return xdp.attach(program, found, mode=_word(xdp.XdpMode, xdp_mode))
        if spec.target in (Target.TC, Target.TC_EGRESS):
            return tc.attach(program, found, spec.target)
        return socket_filter.attach(program, found)


def counters(loaded: Loaded) -> Counters:
    """Return what a filter has counted: packets, bytes, dropped, and the tables of `by`."""
    from netbpf.observe.counters import read

    if loaded.spec.counters is None:
        raise UsageError("the program was compiled without counters")
    return read(loaded.spec.counters, loaded.program.maps)


def _word(kind: type[_E], word: str | _E) -> _E:
    """Return the member of an enumeration that a word of the command line means."""
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise UsageError(f"{word!r} is none of: {known}") from None


def _linktype(name: str | LinkType) -> LinkType:
    if isinstance(name, LinkType):
        return name
    try:
        return LinkType[name]
    except KeyError:
        known = ", ".join(member.name for member in LinkType)
        raise UsageError(f"{name!r} is no link type; there are: {known}") from None
