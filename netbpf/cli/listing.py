"""`netbpf list`: what netbpf has attached."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from netbpf.cli import output
from netbpf.cli.options import examples, json_option

if TYPE_CHECKING:
    from netbpf.link.strays import Stray
    from netbpf.objects.pins import Entry, Pins

_COLUMNS = ("name", "iface", "at", "mode", "action", "since", "insns", "tag", "state", "expr")


@click.command(
    "list",
    epilog=examples(
        ("netbpf list", "everything"), ("netbpf list --json | jq '.[].name'", "the names")
    ),
)
@json_option
def command(as_json: bool) -> None:
    """Show the filters that netbpf has attached, kept ones first.

    Names that begin with @ are those of filters that nobody kept: running ones, and left-overs of
    a killed one on a kernel without bpf_link. `netbpf detach` takes the latter away.
    """
    rows = everything()
    if as_json:
        output.document(rows)
    elif not rows:
        output.note("nothing is attached")
    else:
        sys.stdout.write("\n".join(_table(rows)) + "\n")


def everything() -> list[dict[str, Any]]:
    """Return a row for each filter, as --json has them."""
    from netbpf.link.strays import strays
    from netbpf.objects.pins import Pins

    pins = Pins.usual()
    entries = pins.entries()
    known = frozenset(entry.kept.prog_id for entry in entries if entry.kept)
    return [_kept(entry, pins) for entry in entries] + [_stray(one) for one in strays(known)]


def _kept(entry: Entry, pins: Pins) -> dict[str, Any]:
    kept = entry.kept
    row: dict[str, Any] = {"name": entry.name, "pins": str(pins.home / entry.name)}
    if kept is None:
        nothing = dict.fromkeys(("iface", "at", "mode", "expr", "action", "insns", "prog_id"))
        return {**row, **nothing, "state": f"broken: {entry.broken}"}
    from netbpf.link import kept as lasting

    link = lasting.find(kept, pins)
    mode = None
    if link is not None:
        mode = link.describe().mode
        link.leave()
    return row | {
        "iface": kept.interface,
        "at": kept.target.value,
        "mode": mode,
        "expr": kept.expression,
        "action": kept.action.value,
        "insns": kept.insns,
        "prog_id": kept.prog_id,
        "since": kept.since,
        "tag": kept.tag,
        "netns": kept.netns,
        "state": "attached" if link is not None else "not attached any more",
    }


def _stray(stray: Stray) -> dict[str, Any]:
    found = stray.description
    return {
        "name": stray.name,
        "iface": found.interface,
        "at": found.target.value,
        "mode": found.mode,
        "expr": None,
        "action": None,
        "insns": stray.insns,
        "prog_id": found.prog_id,
        "tag": stray.tag,
        "netns": stray.netns,
        "state": _state(stray),
    }


def _state(stray: Stray) -> str:
    if stray.pids:
        return f"of running process {', '.join(map(str, stray.pids))}"
    return "kept elsewhere, or its pins are gone" if stray.kept else "left over"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [[_cell(row, column) for column in _COLUMNS] for row in rows]
    heads = [column.upper() for column in _COLUMNS]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *cells)
    ]


def _cell(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    if value is None:
        return "-"
    if column == "since":
        return f"{datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M}"
    if column == "iface" and row.get("netns"):
        return f"{value} in {row['netns'].removeprefix('/run/netns/')}"
    return str(value)
