"""What the section `counters` times is a program that counts the packet."""

from __future__ import annotations

import pytest

from netbpf.objects import Program
from netbpf.observe.counters import read
from netbpf.observe.traffic import frames
from netbpf.spec import Key, Target
from tests.bench import counters

pytestmark = [
    pytest.mark.root,
    pytest.mark.needs_kernel("XDP programs for jumbo frames", since="5.18"),
]
CASES = [(drawn, by) for drawn, tables in counters.GROUPS for by in tables]


@pytest.mark.parametrize("target", [Target.XDP, Target.TC])
@pytest.mark.parametrize(("drawn", "by"), CASES)
def test_the_packet_is_counted(
    target: Target, drawn: counters.Field | None, by: tuple[Key, ...]
) -> None:
    frame = frames()[counters.FRAME]
    spec = counters.filter_(target, by, drawn)
    assert spec.counters is not None
    with Program.load(spec) as program:
        for _ in range(8):
            program.test_run(frame)
        found = read(spec.counters, program.maps)
    assert (found.packets, found.bytes) == (8, 8 * len(frame))
    for table in found.tables:
        assert sum(entry.packets for entry in table.entries) == 8
        assert (len(table.entries) > 1) == (drawn is not None)
