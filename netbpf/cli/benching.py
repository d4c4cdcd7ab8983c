"""Time an expression at every hook: the JSON document of `netbpf bench`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from netbpf import compiler
from netbpf.cli import output
from netbpf.errors import CodeSizeError
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.kernel import buff
from netbpf.objects import Program
from netbpf.observe import timing, timing_socket
from netbpf.observe.timing import Packets
from netbpf.spec import ProgramSpec, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netbpf.asm.cbpf import Insn
    from netbpf.cli.request import Request
    from netbpf.observe.timing import Timing


def measured(request: Request, frames: Mapping[str, bytes], turns: int) -> dict[str, Any]:
    """Return what the expression costs on Ethernet frames, which have names.

    Raises ExpressionError, PrivilegeError, KernelError.
    """
    chosen = _chosen(request, frames)
    single = {column: frames[name] for column, name in chosen.items() if name}
    mix = Packets.mixed(frames.values())
    looped = {column: Packets(data) for column, data in single.items()}
    rows = [
        _in_a_loop(request, Target.XDP, {**looped, "mix": mix}, turns),
        _in_a_loop(request, Target.TC, looped, turns),
        *_on_sockets(request, single, turns),
    ]
    return {
        "expr": request.text,
        "dialect": request.options().dialect.value,
        "kernel": os.uname().release,
        "packets": {**chosen, "mix": len(mix.starts)},
        "rows": rows,
    }


def _chosen(request: Request, frames: Mapping[str, bytes]) -> dict[str, str | None]:
    """Return the names of the first frames that match and that do not."""
    run = Machine(compiler.to_ir(request.text, request.options()).program).run
    verdicts = {name: run(Packet(data)) is Verdict.MATCH for name, data in frames.items()}
    return {
        "match": next((name for name, verdict in verdicts.items() if verdict), None),
        "no_match": next((name for name, verdict in verdicts.items() if not verdict), None),
    }


def _in_a_loop(
    request: Request, target: Target, columns: Mapping[str, Packets], turns: int
) -> dict[str, Any]:
    spec = _compiled(request, target)
    row = _row(spec)
    for column, packets in columns.items():
        floor, found = timing.time_rounds({column: spec}, packets, turns=turns)
        if column not in found:
            output.note(f"{target.value}: not timed: its loop is too large for the verifier")
            break
        row[column] = _shape(floor, found[column])
    return row


def _on_sockets(
    request: Request, columns: Mapping[str, bytes], turns: int
) -> tuple[dict[str, Any], ...]:
    """Time the program for sockets, and beside it what the kernel makes of classic BPF."""
    spec = _compiled(request, Target.SOCKET)
    filters: dict[str, Sequence[Insn] | ProgramSpec] = {"ebpf": spec}
    rows = {"ebpf": _row(spec)}
    try:
        classic = compiler.compile_classic(request.text, request.options(live=True)).insns
    except CodeSizeError as error:
        output.note(error.message)
    else:
        filters["cbpf"] = classic
        rows["cbpf"] = {"hook": "socket", "code": "cbpf", "insns": len(classic), "jit_bytes": None}
    for column, data in columns.items():
        floor, found = timing_socket.time_sockets(filters, data, turns=turns)
        for code, timed in found.items():
            rows[code][column] = _shape(floor, timed)
    return tuple(rows.values())


def _compiled(request: Request, target: Target) -> ProgramSpec:
    """Compile; a socket is given nothing of a packet, so that it never fills up."""
    found = buff.readable() if target is Target.SOCKET else None
    options = request.options(snaplen=0)
    spec = compiler.compile(request.text, target=target, options=options, buff=found)
    assert isinstance(spec, ProgramSpec)
    return spec


def _row(spec: ProgramSpec) -> dict[str, Any]:
    """Return a row without its times, which only a program that loads has."""
    assert spec.target is not None
    with Program.load(spec) as program:
        size = program.info.jit_bytes or None
    insns = len(spec.insns)
    return {"hook": spec.target.value, "code": "ebpf", "insns": insns, "jit_bytes": size}


def _shape(floor: float, found: Timing) -> dict[str, float]:
    return {
        "least": round(found.least, 2),
        "median": round(found.median, 2),
        "floor": round(floor, 2),
    }
