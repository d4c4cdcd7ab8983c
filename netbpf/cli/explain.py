"""`netbpf explain`: what an expression means, and what it does to a packet."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from netbpf.cli import output
from netbpf.cli.options import (
    examples,
    json_option,
    linktype_of,
    linktype_option,
    takes_expression,
)
from netbpf.cli.request import Request
from netbpf.errors import CodeSizeError, Span, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netbpf.compiler import Lowered, Options
    from netbpf.ir.interp import Step, Trace
    from netbpf.observe.capture import Record
    from netbpf.proto.linktype import LinkType

_LEFT_WIDTH = 64  # at most; the user's words stand to the right
_TEXT_WIDTH = 46


@click.command(
    epilog=examples(
        ("netbpf explain 'port 80 or 443 and not host 10.0.0.1'", "is it what you mean?"),
        ("netbpf explain --pcap-compat 'vlan and ip or tcp'", "and what does tcpdump make of it?"),
        ("netbpf explain tcp dst port 80 -r web.pcap -n 3", "why does packet 3 not match?"),
    )
)
@linktype_option
@click.option("-r", "capture", metavar="IN", help="A pcap or pcapng file; - is standard input.")
@click.option(
    "-n", "number", type=click.IntRange(0), metavar="K", help="The packet to look at, from 0 on."
)
@json_option
@takes_expression
def command(
    request: Request, linktype: LinkType, capture: str | None, number: int | None, as_json: bool
) -> None:
    """Say what EXPR means, in words and in code, and what is easily got wrong.

    With -r and -n, show the path that a packet takes through it, and the verdict.
    """
    if (capture is None) != (number is None):
        raise UsageError("-r IN and -n K go together")
    record = None
    if capture is not None and number is not None:
        record = _packet(capture, number)
        linktype = linktype_of(record.linktype, capture)
    from netbpf import compiler

    options = request.options(linktype=linktype)
    lowered = compiler.to_ir(request.text, options)
    report = _report(request.text, options, lowered)
    trace = None
    if record is not None:
        from netbpf.ir import interp

        trace = interp.trace(lowered.program, interp.Packet(record.data, record.length))
        report["packet"] = _packet_shape(number or 0, record, trace, request.text)
    if as_json:
        output.document(report)
    else:
        sys.stdout.write("\n".join(_text(report)) + "\n")


def _packet(path: str, number: int) -> Record:
    from netbpf.observe.capture import ByteSource, open_capture

    with ByteSource(path) as source:
        found = next(islice(open_capture(source), number, None), None)
        if found is None:
            raise source.fault(f"has no packet {number} (the first is 0)")
        return found


# -- the report: the JSON document, from which the text is made ------------------------------------


def _report(text: str, options: Options, lowered: Lowered) -> dict[str, Any]:
    from netbpf.cli import traps, words

    rows = words.tree(lowered.expr, text)
    return {
        "expr": text,
        "dialect": options.dialect.value,
        "linktype": options.linktype.name,
        "words": words.in_words(lowered.expr, text),
        "tree": [
            {"depth": row.depth, "is": row.label, **_place(row.span, text)} for row in rows
        ],
        **_listing(text, options),
        "warnings": [
            *lowered.warnings, *traps.warnings(lowered.expr, text, options.dialect)
        ],
    }  # fmt: skip


def _listing(text: str, options: Options) -> dict[str, Any]:
    """Return the classic BPF code, or why there is none."""
    from netbpf import compiler
    from netbpf.asm import cbpf_listing

    try:
        code = compiler.compile_classic(text, options)
    except CodeSizeError as error:
        return {"listing": [], "no_listing": error.message}
    lines = cbpf_listing.listing(code.insns)
    spans: Sequence[Span | None] = code.spans or (None,) * len(lines)
    pairs = zip(lines, spans, strict=True)
    return {"listing": [{"insn": line, **_place(span, text)} for line, span in pairs]}


def _packet_shape(number: int, record: Record, trace: Trace, text: str) -> dict[str, Any]:
    return {
        "index": number,
        "captured": len(record.data),
        "length": record.length,
        "steps": [_step(step, text) for step in trace.steps],
        "verdict": trace.verdict.value,
    }


def _step(step: Step, text: str) -> dict[str, Any]:
    from netbpf.ir.program import Bound, Branch, Member, Return
    from netbpf.ir.text import show

    node = step.node
    if step.failed:
        result = "not there: no match" if not isinstance(node, Bound) else "too short: no match"
    elif isinstance(node, (Branch, Member)):
        result = "yes" if step.value else "no"
    elif isinstance(node, Bound):
        result = "long enough"
    else:
        result = "" if step.value is None else f"{step.value:#x}"
    shown = show(node)
    if isinstance(node, (Branch, Member)):
        shown = shown.partition(" goto ")[0]
    if isinstance(node, Return):
        shown = f"verdict: {shown}"
    return {"step": shown, "result": result, **_place(step.span, text)}


def _place(span: Span | None, text: str) -> dict[str, Any]:
    from netbpf.cli.words import written

    if span is None:
        return {"span": None, "text": ""}
    return {"span": [span.start, span.end], "text": written(span, text)}


# -- the text --------------------------------------------------------------------------------------


def _text(report: dict[str, Any]) -> list[str]:
    lines = [f"In words: a packet matches when {report['words']}", ""]
    if report["tree"]:
        rows = [("  " * (row["depth"] + 1) + row["is"], row["text"]) for row in report["tree"]]
        lines += ["As a tree:", *_columns(rows), ""]
    if report["listing"]:
        rows = [("  " + row["insn"].expandtabs(4), row["text"]) for row in report["listing"]]
        lines += [f"As classic BPF ({report['linktype']}):", *_columns(rows), ""]
    else:
        lines += [f"No classic BPF: {report['no_listing']}", ""]
    if report["warnings"]:
        lines += ["Mind that:", *(f"  - {warning}" for warning in report["warnings"]), ""]
    if "packet" in report:
        lines += _packet_text(report["packet"])
    return lines[:-1] if not lines[-1] else lines


def _packet_text(packet: dict[str, Any]) -> list[str]:
    head = (
        f"Packet {packet['index']} ({packet['captured']} bytes captured, "
        f"{packet['length']} on the wire):"
    )
    rows = [
        (f"  {row['step']}{'  →  ' if row['result'] else ''}{row['result']}", row["text"])
        for row in packet["steps"]
    ]
    return [head, *_columns(rows), "", f"Verdict: {packet['verdict']}"]


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Set the user's words beside each line, where they change."""
    width = min(_LEFT_WIDTH, max((len(left) for left, _ in rows), default=0))
    lines, before = [], None
    for left, text in rows:
        shown = text if len(text) <= _TEXT_WIDTH else text[: _TEXT_WIDTH - 1] + "…"
        if shown == before:
            shown = '"' if shown else ""
        else:
            before = shown
        lines.append(f"{left:{width}}  {shown}".rstrip())
    return lines
