"""Run a pass on the text of a program, and compare with the text that should come out."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from netbpf.ir.program import Program
from netbpf.ir.text import dump, parse
from netbpf.ir.verify import verify


def check(improve: Callable[[Program], Program], before: str, after: str) -> None:
    """Assert that the pass turns one program into the other; '' stands for no change."""
    program = parse(dedent(before))
    verify(program)
    improved = improve(program)
    assert dump(improved) == dump(parse(dedent(after or before)))
    verify(improved)
