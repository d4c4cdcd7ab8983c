"""`netbpf detach`: take kept filters away, and left-overs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netbpf.cli import output
from netbpf.cli.options import complete_kept, examples
from netbpf.errors import ConflictError, NetbpfError, NotFoundError, UsageError

if TYPE_CHECKING:
    from netbpf.link.base import Description
    from netbpf.link.strays import Stray


@click.command(
    epilog=examples(
        ("netbpf detach web", "the filter that `filter --keep web` left"),
        ("netbpf detach @42", "a left-over that `netbpf list` shows"),
        ("netbpf detach --all", "everything but what runs"),
    )
)
@click.argument("names", metavar="NAME", nargs=-1, shell_complete=complete_kept)
@click.option("--all", "everything", is_flag=True, help="All kept filters and left-overs.")
def command(names: tuple[str, ...], everything: bool) -> None:
    """Take filters away, with all that netbpf made for them."""
    if bool(names) == everything:
        raise UsageError("give NAME or --all")
    failed: NetbpfError | None = None
    for name in _all() if everything else names:
        try:
            _detach(name)
        except NetbpfError as error:
            if failed is not None:
                output.complain(failed.render())
            failed = error
    if failed is not None:
        raise failed


def _all() -> list[str]:
    from netbpf.link.strays import strays
    from netbpf.objects.pins import Pins

    entries = Pins.usual().entries()
    known = frozenset(entry.kept.prog_id for entry in entries if entry.kept)
    left = [stray.name for stray in strays(known) if stray.left_over]
    return [entry.name for entry in entries] + left


def _detach(name: str) -> None:
    if name.startswith("@"):
        _remove(name)
        return
    from netbpf.link import kept
    from netbpf.objects.pins import Pins

    _tell(name, kept.detach(name, Pins.usual()))


def _remove(name: str) -> None:
    from netbpf.link import strays
    from netbpf.objects.pins import Pins

    entries = Pins.usual().entries()
    known = frozenset(entry.kept.prog_id for entry in entries if entry.kept)
    found = [stray for stray in strays.strays(known) if stray.name == name]
    if not found:
        raise NotFoundError(f"there is no left-over {name!r}", remedy="netbpf list")
    for stray in found:
        _check_dead(stray)
        strays.remove(stray)
        _tell(name, stray.description)


def _check_dead(stray: Stray) -> None:
    if stray.pids:
        held = ", ".join(map(str, stray.pids))
        raise ConflictError(
            f"{stray.name} belongs to process {held}, which runs", remedy=f"stop it: kill {held}"
        )


def _tell(name: str, where: Description | None) -> None:
    if where is None:
        output.note(f"{name} was not attached any more; what was left of it is gone")
    else:
        output.note(f"{name} detached from {where.interface} at {where.target.value}")
