"""The C that netbpf is measured beside means the same, in either dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netbpf.expr.nodes import Dialect
from netbpf.uapi.bpf import XdpAction
from tests.bench import clang
from tests.bench.candidates import verdicts
from tests.bench.expressions import Expression, expressions
from tests.support.ebpf_vm import Vm
from tests.support.packets import zoo
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

EXPRESSIONS = {one.name: one for one in expressions()}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_every_frame_has_the_same_verdict(expression: Expression, tmp_path: Path) -> None:
    programs = clang.compiled(require_tool("clang"), expression, tmp_path)
    short = [(name, frame.data) for name, frame in zoo().items() if len(frame.data) < 400]
    frames = dict(short[::2])  # `make bench` itself asks the kernel about all that it uses
    for dialect in Dialect:
        vm = Vm(programs["pcap" if dialect is Dialect.PCAP else "netbpf"])
        expected = verdicts(expression.text, dialect, frames)
        for name, data in frames.items():
            assert (vm.run(data) == XdpAction.DROP) == expected[name], (name, dialect)


def test_every_file_is_of_an_expression() -> None:
    files = {path.stem for path in clang.SOURCES.glob("*.c")}
    assert files == {one.c for one in EXPRESSIONS.values()}
    assert len(EXPRESSIONS) == 24
