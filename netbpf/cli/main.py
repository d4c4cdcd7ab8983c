"""`netbpf`: find the command, run it, and turn whatever goes wrong into words and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or a bad expression, 130 interrupted.
Commands are imported when they run, and import what they need when they need it: start-up time
is part of the contract of `netbpf compile`.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from netbpf import __version__
from netbpf.cli import output
from netbpf.errors import NetbpfError, UsageError

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
_INTERRUPTED = 130  # 128 + SIGINT, as shells say


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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default that of this process, and exit."""
    code = run(sys.argv[1:] if arguments is None else arguments)
    flushed = _flush()
    if arguments is None:
        os._exit(code or flushed)  # all is closed and written; taking the heap apart takes 8 ms
    sys.exit(code or flushed)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; return the exit code. No exception gets out."""
    try:
        returned = program.main(list(arguments), prog_name="netbpf", standalone_mode=False)
    except NetbpfError as error:
        output.complain(error.render())
        return error.exit_code
    except click.ClickException as error:
        return _usage(error)
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a user shall never see a traceback
        return _unforeseen(error)
    return returned if isinstance(returned, int) else 0


def _usage(error: click.ClickException) -> int:
    output.complain(error.format_message())
    context = getattr(error, "ctx", None)
    if context is not None:
        print(f"    {context.command_path} --help shows how it is used", file=sys.stderr)
    return error.exit_code


def _unforeseen(error: Exception) -> int:
    if os.environ.get("NETBPF_TRACEBACK"):
        raise error
    if isinstance(error, OSError):
        output.complain(
            f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        )
        return 1
    output.complain(f"a defect of netbpf: {type(error).__name__}: {error}")
    print("    NETBPF_TRACEBACK=1 shows where; please report it", file=sys.stderr)
    return 1


def _flush() -> int:
    """Write out what is buffered; a reader that went away is no error, a full disk is."""
    with suppress(OSError):
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        output.complain(f"cannot write: {error.strerror}")
        return 1
    return 0
