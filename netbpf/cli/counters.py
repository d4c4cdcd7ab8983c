"""`netbpf counters`: the counters of kept filters, from any process."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from netbpf.cli import output, shapes, tables
from netbpf.cli.options import complete_kept, examples, json_option
from netbpf.cli.shapes import Where
from netbpf.errors import NotFoundError

if TYPE_CHECKING:
    from netbpf.objects.kept import Kept
    from netbpf.observe.counters import Counters
    from netbpf.spec import CounterLayout

KEYS = ("port", "sport", "proto", "src", "dst", "flow", "none")


@click.command(
    epilog=examples(
        ("netbpf counters web", "the counters of `filter --keep web`"),
        ("netbpf counters --watch", "of all kept filters, as they grow"),
        ("netbpf counters web --by src --top 5 --json", "the five busiest sources"),
        ("netbpf counters web --reset", "show, and begin at zero again"),
    )
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_kept)
@click.option("--watch", is_flag=True, help="Show them again and again, until Ctrl-C.")
@click.option("--interval", metavar="S", type=click.FloatRange(0.05), default=1.0,
              show_default=True, help="Seconds between reports.")  # fmt: skip
@click.option("--reset", is_flag=True, help="Set them to zero after showing them.")
@click.option("--by", type=click.Choice(KEYS), multiple=True, help="Show these tables only.")
@click.option("--top", metavar="K", type=click.IntRange(1), help="Rows of a table. [default: 20; "
              "with --json all]")  # fmt: skip
@json_option
def command(
    name: str | None,
    watch: bool,
    interval: float,
    reset: bool,
    by: tuple[str, ...],
    top: int | None,
    as_json: bool,
) -> None:
    """Show the counters of kept filters: of NAME, or of all.

    They can be read as long as the filter is kept, attached or not. With --json an object for
    NAME, a list of them for all; with --watch a stream of objects.
    """
    with ExitStack() as stack:
        kept = [_Reading(one, by, stack) for one in _names(name)]
        if watch:
            _watch(kept, interval, as_json, top)
            return
        found = [(one.where, one.read()) for one in kept]
        if as_json:
            shown = [shapes.counters(*one, top=top) for one in found]
            output.document(shown if name is None else shown[0])
        else:
            for where, counters in found:
                lines = tables.report(where, counters, top=top or tables.ROWS)
                sys.stdout.write("\n".join(lines) + "\n")
        if reset:
            for one in kept:
                one.reset()


class _Reading:
    """One kept filter's maps, opened."""

    def __init__(self, kept: Kept, by: tuple[str, ...], stack: ExitStack) -> None:
        from netbpf.link import kept as lasting
        from netbpf.objects.pins import Pins
        from netbpf.spec import Key

        pins = Pins.usual()
        self._program = stack.enter_context(pins.open(kept.name))
        self._layout = _layout(kept)
        self._by = [Key(word) for word in by if word != "none"] if by else None
        self._check_tables()
        link = lasting.find(kept, pins)
        mode = "detached"
        if link is not None:
            mode = link.describe().mode
            link.leave()
        self.where = Where(kept.name, kept.interface, kept.target.value, mode)

    def read(self) -> Counters:
        """Return the counters as they are now."""
        from netbpf.observe import counters

        return counters.read(self._layout, self._program.maps, by=self._by)

    def reset(self) -> None:
        """Set them to zero."""
        from netbpf.observe import counters

        counters.reset(self._layout, self._program.maps)

    def _check_tables(self) -> None:
        counted = [table.key for table in self._layout.tables]
        for key in self._by or ():
            if key not in counted:
                known = ", ".join(one.value for one in counted) or "nothing"
                raise NotFoundError(f"it does not count by {key.value}, but by {known}")


def _names(name: str | None) -> list[Kept]:
    """Return the description of the named filter, or of all that can be read."""
    from netbpf.objects.pins import Pins

    pins = Pins.usual()
    if name is not None:
        return [pins.kept(name)]
    kept = [entry.kept for entry in pins.entries() if entry.kept is not None]
    if not kept:
        raise NotFoundError("no filter is kept", remedy="netbpf filter --keep NAME keeps one")
    return kept


def _layout(kept: Kept) -> CounterLayout:
    if kept.counters is None:
        raise NotFoundError(f"{kept.name!r} has no counters")
    return kept.counters


def _watch(readings: list[_Reading], interval: float, as_json: bool, top: int | None) -> None:
    from netbpf.cli.live import display
    from netbpf.cli.stopping import Stop

    with Stop() as stop, display(as_json, "counters", top=top, every=True) as shown:
        while not stop.asked:
            counted = [(one.where, one.read()) for one in readings]
            shown.show(time.time(), counted, final=False)
            stop.wait(interval)
