"""Filters on sockets that are timed: every socket runs its own, on each packet once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netbpf.asm.cbpf import Insn, Op
from netbpf.kernel import taps
from netbpf.objects import Program
from netbpf.observe.timing_socket import refusing, time_sockets
from netbpf.spec import ProgramSpec
from netbpf.uapi.bpf import ProgType
from tests.support.programs import HITS, counting, hits, returning

FRAME = bytes(12) + b"\x88\xb5" + bytes(46)


def test_nothing_is_let_through() -> None:
    code = (Insn(Op.LD_IMM, 0, 0, 7), Insn(Op.RET_K, 0, 0, 7), Insn(Op.RET_K, 0, 0, 0))
    assert refusing(code) == (code[0], code[2], code[2])


@pytest.mark.root
def test_every_socket_sees_each_packet_once() -> None:
    spec = counting(0, ProgType.SOCKET_FILTER)
    with taps.opened() as ground, Program.load(spec) as first, Program.load(spec) as second:
        ground.attach_programs([first.fd, second.fd])
        assert ground.send(FRAME, 10) > 0
        assert hits(first.maps[HITS]) == hits(second.maps[HITS]) == 10 * taps.SOCKETS // 2


@pytest.mark.root
def test_more_work_takes_more_time() -> None:
    work = [Insn(Op.LDX_IMM, 0, 0, 3), *[Insn(Op.DIV_X, 0, 0, 0)] * 300]
    filters: dict[str, Sequence[Insn] | ProgramSpec] = {
        "some": (*work, Insn(Op.RET_K, 0, 0, 9)),
        "more": (*work, *work, *work, Insn(Op.RET_K, 0, 0, 9)),
        "program": returning(0, ProgType.SOCKET_FILTER),
    }
    floor, found = time_sockets(filters, FRAME, turns=5)
    assert floor > 0
    assert found["more"].least > 2 * found["some"].least
    assert found["program"].least < found["some"].least / 4


@pytest.mark.root
def test_a_filter_that_a_socket_has_no_room_for_is_left_out() -> None:
    nothing = (Insn(Op.RET_K, 0, 0, 0),)
    # The kernel makes nine instructions of 8 bytes of each load, and allows 128 KiB as it comes.
    long = (Insn(Op.LD_W_ABS, 0, 0, 4),) * 4095 + nothing
    _, found = time_sockets({"short": nothing, "long": long}, FRAME, turns=2)
    assert list(found) == ["short"]
