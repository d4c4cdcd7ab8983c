"""The commands, as click has them: their names, their help, and the words of its complaints.

Commands are imported when they run, and import what they need when they need it. Neighbour: main,
which catches what is raised here.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from netbpf import __version__
from netbpf.cli import output
from netbpf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {  # each is the `command` of the module netbpf.cli.NAME
    "filter": "Attach an expression to interfaces and count what matches.",
    "match": "Tell which packets of a capture file match.",
    "compile": "Turn an expression into BPF code.",
    "explain": "Say what an expression means, and what it does to a packet.",
    "list": "Show the filters that netbpf has attached.",
    "counters": "Show the counters of a kept filter.",
    "detach": "Take a kept filter away.",
    "bench": "Time an expression at each hook.",
    "lab": "Watch netbpf work, in network namespaces of its own.",
    "doctor": "Tell what this kernel and this user can do.",
    "completion": "Print the completion script of a shell.",
}

_MODULES = {name: name for name in COMMANDS} | {"list": "listing"}


class Commands(click.Group):
    """The group of all commands; none is imported before it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"netbpf.cli.{_MODULES[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; guess at what was meant where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            guesses = get_close_matches(args[0], COMMANDS, n=1)
            meant = f"did you mean `netbpf {guesses[0]}`?" if guesses else "netbpf --help lists all"
            raise UsageError(f"there is no command {args[0]!r}", remedy=meant)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; that its reader has gone away is no failure (to click it is)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `netbpf lab` or `netbpf filter tcp dst port 80`. "
    "`netbpf COMMAND --help` has examples.",
)
@click.version_option(__version__, "--version", message="netbpf %(version)s")
def program() -> None:
    """tcpdump's words, run in the kernel at any network hook."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line; return the exit code. Raises what commands raise."""
    try:
        returned = program.main(list(arguments), prog_name="netbpf", standalone_mode=False)
    except click.ClickException as error:
        return _usage(error)
    except click.Abort:
        raise KeyboardInterrupt from None
    return returned if isinstance(returned, int) else 0


def _usage(error: click.ClickException) -> int:
    output.complain(error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        print(f"    {context.command_path} --help shows how it is used", file=sys.stderr)
    return error.exit_code
