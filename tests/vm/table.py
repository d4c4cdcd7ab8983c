"""What the runs on all kernels mean: one table, the reasons beneath it, and a verdict.

Pure: from what machines left behind to text, JSON and an exit status. A skip that tests/support/
skips.py does not justify for that kernel counts as a failure, and so does a group of which nothing
ran, a run that ended before its last test, and one whose exit status says more than its tests do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netbpf.kernel.version import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.support.skips import Rules
    from tests.vm.groups import Group
    from tests.vm.record import Record, Result

HEAD = ("kernel", "group", "passed", "skipped", "failed", "seconds", "")
NO_GROUP = "(none)"


@dataclass(frozen=True)
class Run:
    """A kernel's run: `record` is None where none was possible, `status` pytest's exit status.

    `trouble` says why there is no status, or no machine at all; `seconds` include the boot.
    """

    kernel: str
    release: str
    record: Record
    status: int | None
    seconds: float
    trouble: str = ""


@dataclass
class Row:
    """A line of the table."""

    kernel: str
    group: str
    passed: int = 0
    skipped: int = 0
    failed: int = 0
    seconds: float = 0.0
    skips: Counter[str] = field(default_factory=Counter)  # by reason; the justified ones
    failures: list[str] = field(default_factory=list)


def rows(run: Run, groups: Sequence[Group], rules: Rules) -> list[Row]:
    """Return the rows of a kernel: one per group, then one for the machine itself if need be."""
    name = run.release or run.kernel
    found = {group.name: Row(name, group.name) for group in groups}
    for result in run.record.results:
        group = next((g.name for g in groups if g.holds(result.test)), NO_GROUP)
        _count(found.setdefault(group, Row(name, group)), result, rules, run.release)
    for row in found.values():
        if not row.passed and not row.failed:
            row.failed += 1
            row.failures.append(f"{row.group}: no test ran")
    machine = Row(name, "(machine)", seconds=run.seconds - sum(r.seconds for r in found.values()))
    machine.failures += _troubles(run, any(row.failed for row in found.values()))
    machine.failed = len(machine.failures)
    return [*found.values(), machine]


def _count(row: Row, result: Result, rules: Rules, release: str) -> None:
    row.seconds += result.seconds
    if result.outcome == "passed":
        row.passed += 1
    elif result.outcome == "skipped" and rules.justify(
        f"{result.test}: {result.reason}", parse(release), machine=True
    ):
        row.skipped += 1
        row.skips[result.reason] += 1
    else:
        row.failed += 1
        unjustified = "skipped without a reason that holds here: "
        said = unjustified if result.outcome == "skipped" else ""
        row.failures.append(f"{result.test}: {said}{result.reason}")


def _troubles(run: Run, failed: bool) -> Iterator[str]:
    if run.trouble:
        yield run.trouble
    if run.record.unfinished:
        yield f"it ended inside of {run.record.unfinished}"
    if not run.trouble and run.status != 0 and not failed:
        yield f"pytest's exit status is {run.status}, though no test failed"


def green(all_rows: Iterable[Row]) -> bool:
    """Whether nothing failed, and something ran."""
    listed = list(all_rows)
    return sum(row.passed for row in listed) > 0 and not any(row.failed for row in listed)


def render(all_rows: Sequence[Row]) -> str:
    """Return the table, the reasons of skips, and the failures, as text."""
    lines = [HEAD, *(_cells(row) for row in all_rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    parts = ["\n".join(_aligned(line, widths) for line in lines)]
    parts += [block for block in (_skips(all_rows), _failures(all_rows)) if block]
    return "\n\n".join(parts)


def to_json(all_rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return the rows for a program to read; seconds are rounded to milliseconds."""
    return [
        {
            "kernel": row.kernel,
            "group": row.group,
            "passed": row.passed,
            "skipped": row.skipped,
            "failed": row.failed,
            "seconds": round(row.seconds, 3),
            "skips": dict(row.skips),
            "failures": row.failures,
        }
        for row in all_rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (str(number or "–") for number in (row.passed, row.skipped, row.failed))
    return (row.kernel, row.group, *numbers, f"{row.seconds:.0f}", "FAILED" if row.failed else "")


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _skips(all_rows: Iterable[Row]) -> str:
    lines = []
    for row in all_rows:
        lines += [
            f"  {row.kernel} {row.group}: {n} × {why}" for why, n in sorted(row.skips.items())
        ]
    return "\n".join(["skipped, with reason:", *lines]) if lines else ""


def _failures(all_rows: Iterable[Row]) -> str:
    lines = [f"  {row.kernel} {failure}" for row in all_rows for failure in row.failures]
    return "\n".join(["failed:", *lines]) if lines else ""
