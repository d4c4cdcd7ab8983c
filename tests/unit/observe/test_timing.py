"""What programs cost: the arithmetic, and that more work takes more time."""

from __future__ import annotations

import pytest

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Alu, Insn
from netbpf.errors import NotSupportedError, VerifierError
from netbpf.objects import Program
from netbpf.observe.timing import MOST_BYTES, Packets, Timing, over_the_floor, time_rounds
from netbpf.spec import ProgramSpec
from netbpf.uapi.bpf import ProgType

MAY_GOTO = pytest.mark.needs_kernel("loops by may_goto", since="6.9")


def spec(*insns: Insn, kind: ProgType = ProgType.XDP) -> ProgramSpec:
    return ProgramSpec("test", kind, None, (*insns, ebpf.mov(0, 2), ebpf.leave()), (), ())


def test_the_floor_of_the_same_turn_is_taken_off() -> None:
    floor, found = over_the_floor([5.0, 7.0, 6.0], {"it": [8.0, 9.0, 12.0]})
    assert floor == 5.0
    assert found["it"] == Timing(3.0, (3.0, 2.0, 6.0))
    assert found["it"].median == 3.0


def test_a_ratio_above_one_says_that_the_rival_takes_longer() -> None:
    ratio = Timing(1.0, (1.0, 2.0, 1.0, 1.0, 1.0)).ratio(Timing(2.0, (2.0, 3.0, 2.0, 2.0, 4.0)))
    assert ratio.least == 2.0
    assert ratio.median == 2.0
    assert ratio.low < 2.0 < ratio.high


def test_packets_that_there_is_no_room_for_are_left_out() -> None:
    packets = Packets.mixed([b"a" * 60, b"b" * 70, b"c" * MOST_BYTES, b"d"])
    assert packets == Packets(b"a" * 60 + b"b" * 70, (0, 60))


@pytest.mark.root
@MAY_GOTO
@pytest.mark.parametrize("starts", [(), (0, 60)])
def test_more_work_takes_more_time(starts: tuple[int, ...]) -> None:
    work = [ebpf.mov(1, 3), *[ebpf.alu64_reg(Alu.MUL, 1, 1)] * 100]
    more = [*work, *work, *work]
    specs = {"nothing": spec(), "some": spec(*work), "more": spec(*more)}
    floor, found = time_rounds(specs, Packets(bytes(120), starts), turns=8)
    assert floor > 0
    # A multiplication that waits for another takes a nanosecond or so, whatever the machine.
    assert abs(found["nothing"].least) < found["some"].least / 4
    assert 2 < found["some"].ratio(found["more"]).least < 4


@pytest.mark.root
@MAY_GOTO
def test_a_program_that_ends_the_run_has_no_time() -> None:
    beyond = (ebpf.mov_reg(6, 1), ebpf.load_abs(4, 9000))
    kind = ProgType.SOCKET_FILTER
    specs = {"ends": spec(*beyond, kind=kind), "goes on": spec(kind=kind)}
    _, found = time_rounds(specs, Packets(bytes(60)), turns=4)
    assert list(found) == ["goes on"]


def test_a_kernel_without_such_loops_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ProgramSpec) -> Program:
        raise VerifierError("unknown opcode e5", errno=22, log="", line="unknown opcode e5")

    monkeypatch.setattr(Program, "load", refuse)
    with pytest.raises(NotSupportedError) as raised:
        time_rounds({"it": spec()}, Packets(bytes(60)))
    assert raised.value.since == "6.9"
