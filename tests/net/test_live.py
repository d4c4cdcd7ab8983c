"""Live traffic at every hook: what is counted is what the frames' facts say, frame by frame.

Each frame of the zoo goes through a veth pair past an attached program, and the counters are read
behind each. The truth comes from the scapy layers that the frame was built from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from netbpf import compiler
from netbpf.expr.names import NoNames
from tests.net.hooks import HOOKS, Hook, attached, count, frames
from tests.net.wire import SENTINEL_FACTS, Wire
from tests.support.packets import Facts
from tests.support.programs import FRAGS
from tests.support.truth import TRUTHS, Truth

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.root

OPTIONS = compiler.Options(resolver=NoNames())


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.expression or "everything")
@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_counts(hook: Hook, truth: Truth, ends: Wire) -> None:
    spec = compiler.compile_filter(
        truth.expression, target=hook.target, options=OPTIONS, frags=FRAGS, buff=hook.buff()
    )
    with attached(hook, ends, spec) as filter_:
        counted = {name: count(filter_, ends, name) for name in frames(hook)}
    assert counted == {x.name: expected(truth, x.facts) for x in frames(hook).values()}


def expected(truth: Truth, facts: Facts) -> tuple[int, int]:
    lengths = [x.length for x in (facts, SENTINEL_FACTS) if truth.matches(x)]
    return len(lengths), sum(lengths)
