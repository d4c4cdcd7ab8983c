"""`netbpf bench`: what an expression costs per packet, at each hook."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from netbpf.cli import output
from netbpf.cli.options import examples, json_option, takes_expression
from netbpf.cli.request import Request
from netbpf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETHERNET = 1
_SHORTEST, _LONGEST = 14, 3400  # bytes of a frame that a test run takes at every hook
_COLUMNS = ("match", "no_match", "mix")


@click.command(
    epilog=examples(
        ("netbpf bench tcp dst port 80", "over ordinary traffic of fifty kinds"),
        ("netbpf bench -r in.pcap 'net 10.0.0.0/8 and not port 22'", "over the packets of a file"),
        ("netbpf bench --pcap-compat --json ip", "with libpcap's verdicts, for a script"),
    )
)
@click.option("-r", "capture", metavar="IN", help="Draw from its first packets; - is stdin.")
@click.option(
    "--turns", type=click.IntRange(4, 10_000), default=60, show_default=True, metavar="N",
    help="How often each program is timed.",
)  # fmt: skip
@json_option
@takes_expression
def command(request: Request, capture: str | None, turns: int, as_json: bool) -> None:
    """Time EXPR at each hook, in nanoseconds per packet over a program that does nothing.

    On one packet that matches, on one that does not, and on a mix in random order. Needs root and
    Linux 6.9. No interface sees a packet.
    """
    from netbpf.cli.benching import measured

    report = measured(request, _frames(capture), turns)
    if as_json:
        output.document(report)
    else:
        sys.stdout.write("\n".join(_lines(report)) + "\n")


def _frames(capture: str | None) -> Mapping[str, bytes]:
    """Return the frames by what they are called."""
    if capture is None:
        from netbpf.observe import traffic

        return traffic.frames()
    from netbpf.observe.capture import ByteSource, open_capture

    found: dict[str, bytes] = {}
    room = _LONGEST
    with ByteSource(capture) as source:
        for number, record in enumerate(open_capture(source)):
            if record.linktype != _ETHERNET or not _SHORTEST <= len(record.data) <= room:
                continue
            found[str(number)] = record.data
            room -= len(record.data)
            if room < _SHORTEST:
                break
    if not found:
        raise InputError(f"{capture}: has no Ethernet frame of at most {_LONGEST} bytes")
    return found


def _lines(report: dict[str, Any]) -> list[str]:
    head = f"{'':14}{'insns':>6} {'JIT bytes':>9}"
    return [
        "Nanoseconds per packet over a program that does nothing: least (median)",
        head + "".join(f"  {column.replace('_', ' '):>15}" for column in _COLUMNS),
        *map(_line, report["rows"]),
        "",
        _which(**report["packets"]),
    ]


def _which(match: str | None, no_match: str | None, mix: int) -> str:
    """Say which packets the columns are about."""
    matching, other = match or "no packet does", no_match or "every packet does"
    return f"match: {matching}; no match: {other}; mix: {mix} packets"


def _line(row: dict[str, Any]) -> str:
    name = f"{row['hook']}, {row['code'].replace('bpf', 'BPF')}"
    cells = "".join(_cell(row.get(column)) for column in _COLUMNS)
    return f"{name:14}{row['insns']:>6} {row['jit_bytes'] or '–':>9}{cells}"


def _cell(found: dict[str, float] | None) -> str:
    shown = "–" if found is None else f"{found['least']:.2f} ({found['median']:.2f})"
    return f"  {shown:>15}"
