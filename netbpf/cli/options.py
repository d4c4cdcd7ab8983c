"""Options that several commands share. Neighbour: request, which those of an expression make up."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netbpf.cli.request import Request, read_text
from netbpf.errors import InputError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from netbpf.proto.linktype import LinkType

Function = TypeVar("Function", bound=Callable[..., Any])


def takes_expression(function: Function) -> Function:
    """Give a command EXPR and the options that say how it is read, as the argument `request`."""

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        text = _expression(given.pop("words"), given.pop("expression_file"))
        request = Request(
            text=text,
            pcap_compat=given.pop("pcap_compat"),
            names=not given.pop("no_names"),
            netmask=given.pop("netmask"),
            optimise=given.pop("optimisation") != "0",
            sets=_sets(given.pop("sets")),
        )
        return function(request=request, **given)

    for decorate in reversed(_EXPRESSION):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[return-value]


def examples(*rows: tuple[str, str]) -> str:
    """Return the examples at the end of a command's help: a comment, and the line beneath it."""
    shown = "\n".join(f"  # {what}\n  {line}" for line, what in rows)
    return f"\b\nExamples:\n{shown}"


class Netmask(click.ParamType[int]):
    """An IPv4 netmask in dots or as 0x…, in host byte order."""

    name = "netmask"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the mask as a number."""
        if isinstance(value, int):
            return value
        number = _dotted(value)
        if number is None:
            self.fail(f"{value!r} is not a netmask such as 255.255.255.0", param, ctx)
        return number


class LinkTypeName(click.ParamType["LinkType"]):
    """A link type by its name or its LINKTYPE_ number."""

    name = "linktype"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> LinkType:
        """Return the link type."""
        from netbpf.proto.linktype import LinkType

        word = str(value).upper().removeprefix("DLT_").removeprefix("LINKTYPE_")
        for known in LinkType:
            if word in (known.name, str(int(known))):
                return known
        return self.fail(f"{value!r} is none of {', '.join(k.name for k in LinkType)}", param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the names."""
        from click.shell_completion import CompletionItem

        from netbpf.proto.linktype import LinkType

        names = LinkType.__members__
        return [CompletionItem(name) for name in names if name.startswith(incomplete.upper())]


_EXPRESSION = (
    click.argument("words", nargs=-1, metavar="EXPR"),
    click.option(
        "-F", "expression_file", metavar="FILE", type=click.Path(), help="Read EXPR from a file."
    ),
    click.option(
        "--set",
        "sets",
        metavar="NAME=FILE",
        multiple=True,
        help="A set for `in @NAME`: one element a line, # comments.",
    ),
    click.option("--pcap-compat", is_flag=True, help="The verdicts of libpcap, faults included."),
    click.option("--no-names", is_flag=True, help="Look up no host, service or network names."),
    click.option("--netmask", type=Netmask(), metavar="A.B.C.D", help="For `ip broadcast`."),
    click.option(
        "-O", "optimisation", type=click.Choice(["0", "1"]), default="1", help="-O0: as written."
    ),
)


def linktype_of(number: int, source: str) -> LinkType:
    """Return a capture file's link type. Raises InputError where netbpf does not know it."""
    from netbpf.proto.linktype import LinkType

    if number not in LinkType.__members__.values():
        raise InputError(
            f"{source}: has link type {number}, which netbpf does not read",
            remedy=f"it reads {', '.join(known.name for known in LinkType)}",
        )
    return LinkType(number)


linktype_option = click.option(
    "--linktype", type=LinkTypeName(), default="EN10MB", show_default=True, metavar="NAME",
    help="What the frames begin with.",
)  # fmt: skip

snaplen_option = click.option(
    "--snaplen", type=click.IntRange(0, 0xFFFFFFFF), default=262144, show_default=True,
    metavar="N", help="What classic BPF returns for a match.",
)  # fmt: skip


def complete_interface(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Offer the interfaces of this machine."""
    import socket

    return [name for _, name in socket.if_nameindex() if name.startswith(incomplete)]


def complete_kept(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Offer the names of kept filters."""
    from netbpf.objects.pins import Pins

    return [entry.name for entry in Pins.usual().entries() if entry.name.startswith(incomplete)]


json_option = click.option("--json", "as_json", is_flag=True, help="Report in JSON.")


def _expression(words: tuple[str, ...], path: str | None) -> str:
    if path is None:
        return " ".join(words)
    if words:
        raise UsageError("give EXPR or -F FILE, not both")
    return read_text(path).strip()


def _sets(given: tuple[str, ...]) -> dict[str, str]:
    sets = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--set {one}: NAME=FILE is wanted")
        sets[name.removeprefix("@")] = path
    return sets


def _dotted(text: str) -> int | None:
    try:
        if text.lower().startswith("0x"):
            return int(text, 16) if int(text, 16) <= 0xFFFFFFFF else None
        parts = [int(part) for part in text.split(".")]
    except ValueError:
        return None
    if len(parts) != 4 or not all(0 <= part <= 255 for part in parts):
        return None
    return int.from_bytes(bytes(parts), "big")
