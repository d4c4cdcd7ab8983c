"""Counters as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netbpf.cli import shapes

if TYPE_CHECKING:
    from netbpf.cli.shapes import Where
    from netbpf.observe.counters import Counters, Table

ROWS = 20  # of a table, if not told otherwise


def report(where: Where, counted: Counters, *, top: int = ROWS) -> list[str]:
    """Return the totals of a filter, and its tables with the busiest entries."""
    lines = [f"{place(where)}: {totals(counted)}"]
    for table in counted.tables:
        if table.entries:
            lines += _table(table, top)
    return lines


def place(where: Where) -> str:
    """Return what a report is about."""
    return f"{where.name}  {where.iface} at {where.at} ({where.mode})"


def totals(counted: Counters) -> str:
    """Return packets, bytes, and what was dropped."""
    dropped = f", {counted.dropped:,} dropped" if counted.dropped else ""
    return f"{counted.packets:,} packets, {counted.bytes:,} bytes{dropped}"


def rest(table: Table, top: int) -> list[str]:
    """Return what a table does not show."""
    lines = []
    if len(table.entries) > top:
        lines.append(f"… and {len(table.entries) - top:,} more")
    if table.evicted:
        lines.append(f"{table.evicted:,} entries were evicted for want of room")
    return lines


def _table(table: Table, top: int) -> list[str]:
    shown = table.entries[:top]
    keys = [shapes.key_text(table.key, entry.key) for entry in shown]
    width = max(len(key) for key in (*keys, shapes.heading(table)))
    lines = [f"  {shapes.heading(table):{width}} {'packets':>12} {'bytes':>15}"]
    lines += [
        f"  {key:{width}} {entry.packets:12,} {entry.bytes:15,}"
        for key, entry in zip(keys, shown, strict=True)
    ]
    return [*lines, *(f"  {line}" for line in rest(table, top))]
