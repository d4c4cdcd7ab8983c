"""Time the expressions' filters beside what clang, libpcap and the kernel make of them."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netbpf.expr.nodes import Dialect
from netbpf.objects import Program
from netbpf.observe import timing_socket
from netbpf.observe.timing import Packets, Timing, time_rounds
from netbpf.observe.traffic import frames
from netbpf.spec import ProgramSpec
from tests.bench.candidates import (
    CLANG,
    CLASSIC,
    EBPF,
    LIBPCAP,
    NETBPF,
    OWN,
    OWN_CBPF,
    OWN_CLANG,
    Candidates,
    candidates,
    disagreements,
    verdicts,
)
from tests.bench.expressions import Expression, expressions
from tests.bench.lookup import time_lookup
from tests.support.libpcap import libpcap
from tests.support.tools import find_tool

MATCH, NO_MATCH, MIX = "match", "no match", "mix"
_TURNS = 32  # a test run at XDP takes 15 ms, however short the program is
_NAME_WIDTH = 50  # of an expression in the table
_RIVALS = {CLANG: NETBPF, CLASSIC: NETBPF, OWN_CLANG: OWN, LIBPCAP: EBPF, OWN_CBPF: EBPF}
"""Whom each rival's ratio is to: above 1, netbpf is faster."""


@dataclass
class Measured:
    """An expression's times: column → candidate → time."""

    expression: Expression
    xdp: dict[str, dict[str, Timing]] = field(default_factory=dict)
    tc: dict[str, dict[str, Timing]] = field(default_factory=dict)
    sockets: dict[str, dict[str, Timing]] = field(default_factory=dict)


def run(words: Iterable[str] = ()) -> None:
    """Print every expression's times, or of those with one of `words` in their name."""
    wanted = list(words)
    tool, library = find_tool("clang"), libpcap()
    for missing in [name for name, it in (("clang", tool), ("libpcap", library)) if it is None]:
        print(f"{missing} is not installed: nothing to compare with there")
    print("Filters: ns per packet over the floor, least (median); behind a rival, how many times")
    print("as long it takes as netbpf: median [quartiles]. Instructions: all (without the code for")
    print("frames of several buffers); bytes of machine code.\n")
    hash_time = time_lookup()
    print(f"H, one look-up in a BPF hash map of 1,000 entries: {hash_time:.1f} ns\n")
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for expression in expressions():
            if wanted and not any(word in expression.name for word in wanted):
                continue
            one = candidates(expression, tool, library, Path(folder))
            wrong = disagreements(one.xdp, expression.text, frames())
            if wrong:
                sys.exit("these verdicts differ:\n" + "\n".join(wrong))
            measured = _measure(expression, one)
            done.append(measured)
            print(_report(measured, one), flush=True)
    print(_summary(done))


def _measure(expression: Expression, one: Candidates) -> Measured:
    found = Measured(expression)
    for column, packets in _columns(expression.text).items():
        found.xdp[column] = time_rounds(one.xdp, packets, turns=_TURNS)[1]
        if column == MIX:
            continue
        found.tc[column] = time_rounds(one.tc, packets, turns=_TURNS)[1]
        found.sockets[column] = timing_socket.time_sockets(one.sockets, packets.data, turns=_TURNS)[
            1
        ]
    return found


def _columns(text: str) -> dict[str, Packets]:
    """Return the first frames that match and do not in both dialects, and the mix."""
    every = frames()
    pcap, own = (verdicts(text, dialect, every) for dialect in (Dialect.PCAP, Dialect.NETBPF))
    single = {
        column: next(name for name in every if pcap[name] == own[name] == verdict)
        for column, verdict in ((MATCH, True), (NO_MATCH, False))
    }
    columns = {column: Packets(every[name]) for column, name in single.items()}
    return {**columns, MIX: Packets.mixed(every.values())}


# -- the reports -----------------------------------------------------------------------------------


def _report(measured: Measured, one: Candidates) -> str:
    lines = [measured.expression.name]
    for hook, found, specs in (
        ("XDP", measured.xdp, one.xdp),
        ("tc", measured.tc, one.tc),
        ("socket", measured.sockets, one.sockets),
    ):
        for name, spec in specs.items():
            cells = [_cell(times, name) for times in found.values()]
            linear = f"({one.linear[name]})" if hook == "XDP" and name in one.linear else ""
            insns = len(spec.insns) if isinstance(spec, ProgramSpec) else len(spec)
            lines.append(
                f"  {hook:7}{name:20}{insns:>5} {linear:6} {_jit(spec):>5}" + "".join(cells)
            )
    return "\n".join(lines) + "\n"


def _cell(times: Mapping[str, Timing], name: str) -> str:
    if name not in times:
        return f"  {'–':36}"
    shown = f"{times[name].least:7.2f} ({times[name].median:.2f})"
    if _RIVALS.get(name) in times:
        ratio = times[_RIVALS[name]].ratio(times[name])
        shown += f" {ratio.median:.2f} × [{ratio.low:.2f}–{ratio.high:.2f}]"
    return f"  {shown:36}"


def _jit(spec: object) -> str:
    if not isinstance(spec, ProgramSpec):
        return "–"
    with Program.load(spec) as program:
        return str(program.info.jit_bytes or "–")


def _summary(done: list[Measured]) -> str:
    """Return a Markdown table, and the geometric means of ratios."""
    columns = (NETBPF, CLANG, CLASSIC, OWN, OWN_CLANG)
    head = "| match / no match / **mix** | " + " | ".join(columns)
    lines = [
        head + " | tc | socket: eBPF | netbpf cBPF | libpcap cBPF |",
        "|---" * (len(columns) + 5) + "|",
    ]
    for one in done:
        cells = [_three(one.xdp, name) for name in columns]
        cells += [_three(one.tc, NETBPF)]
        cells += [_three(one.sockets, name, digits=0) for name in (EBPF, OWN_CBPF, LIBPCAP)]
        name = one.expression.name
        name = name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"
        name = name.replace("|", "\\|")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    for group in ("plain", "sets", "others"):
        chosen = [one for one in done if one.expression.group == group]
        if not chosen:
            continue
        xdp, sockets = [one.xdp for one in chosen], [one.sockets for one in chosen]
        lines += [
            f"{group}, {rival} / {ours}, geometric mean: {_means(found, ours, rival)}"
            for found, ours, rival in (
                (xdp, NETBPF, CLANG),
                (xdp, OWN, OWN_CLANG),
                (xdp, NETBPF, CLASSIC),
                (xdp, NETBPF, OWN),
                (sockets, EBPF, LIBPCAP),
                (sockets, OWN_CBPF, LIBPCAP),
            )
        ]
    return "\n".join(lines)


def _three(found: Mapping[str, Mapping[str, Timing]], name: str, *, digits: int = 2) -> str:
    cells = [
        f"{times[name].least:.{digits}f}" if name in times else "–" for times in found.values()
    ]
    return " / ".join(f"**{cell}**" if index == 2 else cell for index, cell in enumerate(cells))


def _means(found: Sequence[Mapping[str, Mapping[str, Timing]]], ours: str, rival: str) -> str:
    """Return the means of a hook's ratios; `found` is column → candidate → time per expression."""
    shown = []
    for column in found[0]:
        ratios = [
            one[column][ours].ratio(one[column][rival]).median
            for one in found
            if {ours, rival} <= one[column].keys()
        ]
        ratios = [ratio for ratio in ratios if ratio > 0]  # what costs nothing has none
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan
        shown.append(f"{column} {mean:.2f} ×")
    return ", ".join(shown)
