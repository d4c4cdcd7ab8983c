"""How `netbpf filter` and `counters --watch` show counters as they grow.

A stream of JSON; on a terminal a table with rates, redrawn in place; else nothing but the totals at
the end.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from netbpf.cli import output, shapes, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from typing_extensions import Self

    from netbpf.cli.shapes import Where
    from netbpf.observe.counters import Counters, EntryKey, Table
    from netbpf.spec import Key

_LIVE_ROWS = 12


class Display(AbstractContextManager["Display"], ABC):
    """Shows counters, again and again."""

    @abstractmethod
    def show(self, time: float, counted: Sequence[tuple[Where, Counters]], *, final: bool) -> None:
        """Show counters as read at `time`, seconds since 1970."""

    def __exit__(self, *_: object) -> None:
        pass


def display(as_json: bool, title: str, *, top: int | None = None, every: bool = False) -> Display:
    """Return what suits the standard output. `top` limits the rows of tables.

    Where that is no terminal, only the last look is shown, or with `every` each.
    """
    if as_json:
        return JsonStream(top)
    if sys.stdout.isatty():
        return LiveTable(title, _LIVE_ROWS if top is None else top)
    return Plain(tables.ROWS if top is None else top, every=every)


class JsonStream(Display):
    """An object a line; the last of each filter says `"final": true`."""

    def __init__(self, top: int | None) -> None:
        self._top = top

    def show(self, time: float, counted: Sequence[tuple[Where, Counters]], *, final: bool) -> None:
        """Print the objects."""
        for where, counters in counted:
            shape = shapes.progress(time, where, counters, final=final, top=self._top)
            output.document(shape)


class Plain(Display):
    """Lines of text."""

    def __init__(self, top: int, *, every: bool) -> None:
        self._top, self._every = top, every

    def show(self, time: float, counted: Sequence[tuple[Where, Counters]], *, final: bool) -> None:  # noqa: ARG002
        """Print the totals, if they are wanted now."""
        if final or self._every:
            for where, counters in counted:
                lines = tables.report(where, counters, top=self._top)
                sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()


class LiveTable(Display):
    """A table per filter, with rates since the last time."""

    def __init__(self, title: str, top: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title, self._top = title, top
        self._rates = Rates()
        self._live = Live(console=Console(), auto_refresh=False, redirect_stderr=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def show(self, time: float, counted: Sequence[tuple[Where, Counters]], *, final: bool) -> None:
        """Redraw."""
        from rich.console import Group

        self._rates.advance(time)
        drawn = [part for one in counted for part in self._filter(*one, final=final)]
        self._live.update(Group(*drawn), refresh=True)

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def _filter(self, where: Where, counters: Counters, *, final: bool) -> Iterator[RenderableType]:
        from rich.text import Text

        rate = self._rates.of((where, None, None), counters.packets)
        title = Text.assemble(
            (self._title, "bold"), f"  {where.iface} at {where.at} ({where.mode})"
        )
        yield title
        speed = "" if final else f"   {rate:,.0f} packets/s"
        yield Text(f"{tables.totals(counters)}{speed}")
        for table in counters.tables:
            yield self._table(where, table)

    def _table(self, where: Where, table: Table) -> RenderableType:
        from rich.table import Table as RichTable

        drawn = RichTable(box=None, pad_edge=False, caption_justify="left")
        drawn.add_column(shapes.heading(table))
        for heading in ("packets", "packets/s", "bytes"):
            drawn.add_column(heading, justify="right")
        # Also of those not shown: one that comes up has not grown from nothing.
        rates = [self._rates.of((where, table.key, one.key), one.packets) for one in table.entries]
        for entry, rate in zip(table.entries[: self._top], rates, strict=False):
            key = shapes.key_text(table.key, entry.key)
            drawn.add_row(key, f"{entry.packets:,}", f"{rate:,.0f}", f"{entry.bytes:,}")
        drawn.caption = "; ".join(tables.rest(table, self._top)) or None
        return drawn


class Rates:
    """Counts per second, from one look at the counters to the next."""

    def __init__(self) -> None:
        self._before: dict[tuple[Where, Key | None, EntryKey], int] = {}
        self._now: dict[tuple[Where, Key | None, EntryKey], int] = {}
        self._time = self._elapsed = 0.0

    def advance(self, time: float) -> None:
        """Begin a new look, at `time` in seconds."""
        self._before, self._now = self._now, {}
        self._elapsed = time - self._time if self._time else 0.0
        self._time = time

    def of(self, what: tuple[Where, Key | None, EntryKey], count: int) -> float:
        """Return how fast a count grows; 0 at the first look."""
        self._now[what] = count
        if self._elapsed <= 0:
            return 0.0
        return max(0, count - self._before.get(what, 0)) / self._elapsed
