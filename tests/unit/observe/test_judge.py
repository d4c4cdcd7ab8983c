"""Verdicts by a filter on a Unix socket, which needs no privilege."""

from __future__ import annotations

import random

import pytest

from netbpf.asm.cbpf import Insn
from netbpf.ir.builder import Builder
from netbpf.ir.program import Cmp, MetaField, Program, Verdict
from netbpf.observe.capture import Record
from netbpf.observe.judge import Interpreter, SocketJudge, reads_length

ODD = [Insn(0x30, 0, 0, 0), Insn(0x45, 0, 1, 1), Insn(6, 0, 0, 262144), Insn(6, 0, 0, 0)]
"""Matches a packet whose first byte is odd; one without bytes does not match."""

ALL, NONE = [Insn(6, 0, 0, 262144)], [Insn(6, 0, 0, 0)]


def program(*, length: bool = False) -> Program:
    build = Builder()
    yes, no = build.label(), build.label()
    value = build.meta(MetaField.LENGTH) if length else build.load(None, 0, 1)
    build.branch(Cmp.SET, value, 1, yes, no)
    for label, verdict in ((yes, Verdict.MATCH), (no, Verdict.NO_MATCH)):
        build.place(label)
        build.ret(verdict)
    return build.finish()


def records(*packets: bytes) -> list[Record]:
    return [Record(packet, len(packet), 0, 1) for packet in packets]


def judged(code: list[Insn], packets: list[Record], of: Program | None = None) -> list[int]:
    with SocketJudge(code, of or program()) as judge:
        return list(judge.judge(packets))


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 21, 500])
def test_every_count_around_the_queue_s_length(count: int) -> None:
    packets = records(*(bytes([i % 256]) * 60 for i in range(count)))
    assert judged(ODD, packets) == [i % 2 for i in range(count)]
    assert judged(ALL, packets) == [1] * count
    assert judged(NONE, packets) == [0] * count


def test_equal_packets_have_equal_verdicts() -> None:
    rng = random.Random(3)
    packets = records(*(rng.choice([b"\1a", b"\1a", b"\2a", b"\3b", b""]) for _ in range(300)))
    expected = [len(p.data) > 0 and p.data[0] & 1 for p in packets]
    assert judged(ODD, packets) == expected
    assert judged(ALL, records(b"", b"", b"x", b"")) == [1, 1, 1, 1]


def test_long_packets_fill_the_buffer_before_the_queue() -> None:
    packets = records(*(bytes([i]) * 200_000 for i in range(30)))
    assert judged(ODD, packets) == [i % 2 for i in range(30)]
    assert judged(ODD, records(b"\1" * 262144)) == [1]


def test_the_interpreter_judges_what_was_cut_where_the_length_matters() -> None:
    packets = [Record(b"\0\0", 2, 0, 1), Record(b"\0\0", 3, 0, 1), Record(b"\0\0", 4, 0, 1)]
    with SocketJudge(ALL, program(length=True)) as judge:
        assert list(judge.judge(packets)) == [1, 1, 0]
        assert judge.interpreted == 2
    with SocketJudge(ALL, program()) as judge:
        assert list(judge.judge(packets)) == [1, 1, 1]
        assert judge.interpreted == 0


def test_reads_length() -> None:
    assert reads_length(program(length=True))
    assert not reads_length(program())


def test_the_interpreter() -> None:
    with Interpreter(program()) as judge:
        assert list(judge.judge(records(b"\1", b"\2", b""))) == [1, 0, 0]
        assert judge.interpreted == 3
