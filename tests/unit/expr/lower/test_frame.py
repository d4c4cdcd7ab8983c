"""Loads by their offset on the wire, also where the hook holds the tag."""

from __future__ import annotations

import pytest

from netbpf.expr.lower.frame import TAG_END, VLAN_TPIDS, Frame
from netbpf.ir.builder import Builder
from netbpf.ir.interp import Packet, outputs
from netbpf.ir.program import Reg, Verdict
from netbpf.ir.verify import verify

WIRE = bytes(range(0x40, 0x4C)) + b"\x88\xa8\x10\x64" + bytes(range(0x80, 0x98))
STRIPPED = Packet(WIRE[:12] + WIRE[16:], vlan=(0x88A8, 0x1064))


def loaded(offset: int, width: int, *, base: int | None) -> int | None:
    """Load base + offset on the wire, from the packet whose tag is stripped."""
    builder = Builder()
    frame = Frame(builder, stripped=True)
    reg: Reg | None = None if base is None else builder.const(base, "base")
    value = frame.load(reg, offset, width)
    builder.ret(Verdict.MATCH)
    program = builder.finish((value,))
    verify(program)
    found = outputs(program, STRIPPED)
    return None if found is None else found[0]


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("base", [None, 0, 1, 5, 14, 20])
def test_every_byte_is_where_it_was_on_the_wire(width: int, base: int | None) -> None:
    for offset in range(45):
        start = (base or 0) + offset
        there = WIRE[start : start + width]
        want = int.from_bytes(there, "big") if len(there) == width else None
        assert loaded(offset, width, base=base) == want, offset


def test_behind_the_tag_nothing_is_asked_at_run_time() -> None:
    builder = Builder()
    Frame(builder, stripped=True).load(builder.const(0, "base"), TAG_END, 4)
    builder.ret(Verdict.MATCH)
    assert len(builder.finish().blocks) == 1


def test_what_the_tag_can_be_is_known() -> None:
    builder = Builder()
    assert Frame(builder, stripped=True).choices(None, 12, 2) == VLAN_TPIDS
    assert Frame(builder, stripped=True).choices(None, 16, 2) is None
    assert Frame(builder).choices(None, 12, 2) is None
