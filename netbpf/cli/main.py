"""`netbpf`: run a command line, and turn whatever goes wrong into words and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or a bad expression, 130 interrupted.
Start-up time is part of the contract of `netbpf compile`: to import click takes three times as long
as to start Python. So `netbpf compile EXPR` without an option, which leaves nothing to be parsed,
runs without it. Everything else is click's, in `program`.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from netbpf.cli import output
from netbpf.errors import NetbpfError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130  # 128 + SIGINT, as shells say


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
        return _run(arguments)
    except NetbpfError as error:
        output.complain(error.render())
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a user shall never see a traceback
        return _unforeseen(error)


def _run(arguments: Sequence[str]) -> int:
    if not compiles_words(arguments):
        from netbpf.cli import program

        return program.run(arguments)
    from netbpf.cli.compiling import compile_expression
    from netbpf.cli.request import Request

    # As in program.Commands: that its reader has gone away is no failure.
    with suppress(BrokenPipeError):
        compile_expression(Request(" ".join(arguments[1:])))
    return 0


def compiles_words(arguments: Sequence[str]) -> bool:
    """Whether this is `compile` and words of an expression, none of which can be an option.

    A shell that completes a command line says so in the environment.
    """
    words = arguments[1:]
    plain = bool(words) and not any(word.startswith("-") for word in words)
    return plain and arguments[0] == "compile" and "_NETBPF_COMPLETE" not in os.environ


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
