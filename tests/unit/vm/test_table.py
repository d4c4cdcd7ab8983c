"""What the runs on many kernels mean: when a table is green, and all that makes it red."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support import skips
from tests.vm import table
from tests.vm.groups import Group
from tests.vm.record import Record, Result
from tests.vm.table import Run

GROUPS = (Group("attach", ("tests/net/test_links.py",)), Group("units", ("tests/unit",)))
RULES = skips.rules(["# a comment", "", r"is not in \.\./shared/data$", "host: no kprobes$"])

LINK = Result("tests/net/test_links.py::test_one[xdp]", "passed", 1.25)
UNIT = Result("tests/unit/kernel/test_progs.py::test_two", "passed", 0.5)
SKIP = Result("tests/net/test_links.py::test_tcx", "skipped", 0.0, "needs Linux 6.6 (tcx); this")
GOOD = Run("5.10", "5.10.0-46-amd64", Record((LINK, SKIP, UNIT)), status=0, seconds=20)


def rows(run: Run) -> list[table.Row]:
    return table.rows(run, GROUPS, RULES)


def test_green() -> None:
    attach, units, machine = rows(GOOD)
    assert (attach.passed, attach.skipped, attach.failed, attach.seconds) == (1, 1, 0, 1.25)
    assert (units.passed, units.skipped, units.failed) == (1, 0, 0)
    assert machine.seconds == 18.25
    assert table.green([attach, units, machine])


@pytest.mark.parametrize(
    ("release", "reason", "justified"),
    [
        ("5.10.0-46-amd64", "needs Linux 6.6 (attach at tc, tcx); this is 5.10", True),
        ("6.1.0-56-amd64", "needs Linux 6.6 (attach at tc, tcx); this is 6.1", True),
        ("6.12.117+deb13-amd64", "needs Linux 6.6 (attach at tc, tcx); this is 5.10", False),
        ("6.6.1", "needs Linux 6.6 (attach at tc, tcx)", False),
        ("5.10.0-46-amd64", "tcpdump is not installed", False),
        ("5.10.0-46-amd64", "cases.json is not in ../shared/data", True),
        ("5.10.0-46-amd64", "this kernel has no kprobes", False),
    ],
)
def test_a_skip_needs_a_reason_that_holds_here(release: str, reason: str, justified: bool) -> None:
    record = Record((LINK, UNIT, replace(SKIP, reason=reason)))
    found = rows(replace(GOOD, release=release, record=record))
    assert table.green(found) == justified
    assert (found[0].skipped, found[0].failed) == ((1, 0) if justified else (0, 1))
    assert reason in table.render(found)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (replace(GOOD, record=Record((LINK, replace(UNIT, outcome="failed", reason="x != y")))),
         "test_two: x != y"),
        (replace(GOOD, record=Record((LINK,))), "units: no test ran"),
        (replace(GOOD, record=Record((SKIP, UNIT))), "attach: no test ran"),
        (replace(GOOD, record=Record((LINK, UNIT), "tests/x.py::test_hangs"), status=None),
         "it ended inside of tests/x.py::test_hangs"),
        (replace(GOOD, status=None, trouble="it crashed"), "it crashed"),
        (replace(GOOD, status=1), "exit status is 1, though no test failed"),
        (replace(GOOD, status=2, record=Record(())), "no test ran"),
        (replace(GOOD, record=Record((LINK, UNIT, replace(LINK, test="tests/x.py::t",
                                                          outcome="failed", reason="boom")))),
         "tests/x.py::t: boom"),
    ],
)  # fmt: skip
def test_red(run: Run, said: str) -> None:
    found = rows(run)
    assert not table.green(found)
    assert "FAILED" in table.render(found)
    assert said in table.render(found)


def test_nothing_is_not_green() -> None:
    assert not table.green([])


def test_one_red_kernel_makes_the_table_red() -> None:
    assert not table.green([*rows(GOOD), *rows(replace(GOOD, status=None, trouble="it hung"))])


def test_the_text() -> None:
    assert table.render(rows(GOOD)).splitlines() == [
        "kernel           group      passed  skipped  failed  seconds",
        "5.10.0-46-amd64  attach          1        1       –        1",
        "5.10.0-46-amd64  units           1        –       –        0",
        "5.10.0-46-amd64  (machine)       –        –       –       18",
        "",
        "skipped, with reason:",
        "  5.10.0-46-amd64 attach: 1 × needs Linux 6.6 (tcx); this",
    ]


def test_json() -> None:
    first = json.loads(json.dumps(table.to_json(rows(GOOD))))[0]
    assert first["kernel"] == "5.10.0-46-amd64"
    assert (first["passed"], first["skips"]) == (1, {SKIP.reason: 1})
