from __future__ import annotations

import random
from collections import Counter

import pytest

from netbpf.codegen.ebpf import costs
from netbpf.codegen.ebpf.eager import eager
from netbpf.codegen.ebpf.sets import Tables
from netbpf.compiler import Options, to_ir
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import U32, Bound, Decide, Load, Program, Verdict
from netbpf.ir.text import dump, parse
from netbpf.ir.verify import verify
from netbpf.records import replace
from netbpf.spec import Target
from tests.support.bytetests import random_text
from tests.support.irgen import random_packet
from tests.support.packets import zoo

ENDING = "\nyes:\n  match\nno:\n  no match"


def lowered(text: str, dialect: Dialect = Dialect.PCAP) -> Program:
    return to_ir(text, Options(dialect=dialect, resolver=NoNames()), Target.XDP).program


def made(program: Program) -> Program:
    found = eager(program, Tables(""))
    assert found is not None
    verify(found)
    return found


def decisions(program: Program) -> list[str]:
    return [str(block.term.formula) for block in program if isinstance(block.term, Decide)]


@pytest.fixture
def _all_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MISPREDICTED", "MOST_AHEAD"):
        monkeypatch.setattr(costs, name, 100_000)


@pytest.mark.usefixtures("_all_pays")
def test_where_nothing_fails_the_verdict_is_the_same() -> None:
    decided: Counter[Verdict] = Counter()
    several = 0
    for seed in range(100):
        rng = random.Random(seed)
        program = lowered(random_text(rng, 3))
        quick = eager(program, Tables(""))
        if quick is None:
            continue
        verify(quick)
        several += any(len(shown.split()) > 12 for shown in decisions(quick))
        reference, machine = Machine(program), Machine(quick)
        for _ in range(30):
            packet = random_packet(rng)
            trace = machine.trace(packet)
            if not trace.steps[-1].failed:
                decided[trace.verdict] += 1
                context = f"seed {seed} {packet}\n{dump(program)}\nbecame\n{dump(quick)}"
                assert trace.verdict is reference.run(packet), context
    assert several > 25
    assert min(decided.values()) > 50


@pytest.mark.parametrize("dialect", Dialect, ids=str)
@pytest.mark.parametrize(
    "text",
    [
        "tcp dst port 80",
        "tcp port 80",
        "icmp or arp",
        "portrange 1000-2000",
        "host 10.0.0.1 and not port 22",
        "tcp[tcpflags] & tcp-syn != 0 and port 443",
        "ip6 and udp port 53",
        "ip[8] < 65 and ip[2:2] > 60",
    ],
)
def test_frames_of_all_kinds(text: str, dialect: Dialect) -> None:
    program = lowered(text, dialect)
    quick = eager(program, Tables(""))
    if quick is None:
        return
    verify(quick)
    exact, machine = Machine(program), Machine(quick)
    decided = 0
    for frame in zoo().values():
        for end in {len(frame.data), len(frame.data) // 2, 58, 34}:
            packet = Packet(frame.data[:end])
            trace = machine.trace(packet)
            if not trace.steps[-1].failed:
                decided += 1
                assert trace.verdict is exact.run(packet), frame
    assert decided > 15


def test_three_questions_become_one() -> None:
    (formula,) = decisions(made(lowered("ip and tcp and dst port 80")))
    assert "& 0x1fff00ff == 0x6 and" in formula, "fragment offset and protocol, in one load"


def test_one_check_for_everything_near() -> None:
    quick = made(lowered("tcp dst port 80"))
    first = quick.blocks[0].insns[0]
    assert isinstance(first, Bound)
    ends = [
        insn.offset + insn.width
        for block in quick
        for insn in block.insns
        if isinstance(insn, Load) and insn.base is None
    ]
    assert first.end == max(ends)


def test_what_has_to_be_searched_for_is_left_to_the_exact_program() -> None:
    quick = made(lowered("tcp dst port 80", Dialect.NETBPF))
    assert len(quick.blocks) < 15, "no walk over tags and extension headers"
    tagged = next(frame for name, frame in zoo().items() if "vlan" in name)
    trace = Machine(quick).trace(Packet(tagged.data))
    assert trace.steps[-1].failed


def test_a_last_doubt_comes_last() -> None:
    """Nobody asks of an IPv6 packet whose next header is TCP if that is an extension header."""
    quick = made(lowered("ip6 and tcp dst port 80", Dialect.NETBPF))
    tcp = next(f for f in zoo().values() if f.data[12:14] == b"\x86\xdd" and f.data[20] == 6)
    asked = [step.node for step in Machine(quick).trace(Packet(tcp.data)).steps]
    assert not any(len(getattr(node, "members", ())) == 4 for node in asked)


@pytest.mark.parametrize("text", ["ip", "arp or rarp", "greater 100"])
def test_nothing_gained(text: str) -> None:
    assert eager(lowered(text), Tables("")) is None


def test_what_gives_values_has_no_eager_version() -> None:
    program = lowered("tcp dst port 80")
    assert eager(replace(program, outputs=(program.blocks[0].insns[1].dst,)), Tables("")) is None  # type: ignore[union-attr]


def test_the_first_way_out_stays() -> None:
    """Whether it is IPv6 at all: most packets are not, and end there."""
    quick = made(lowered("ip6 and udp port 53"))
    assert "0x86dd" not in "".join(decisions(quick))


@pytest.mark.usefixtures("_all_pays")
def test_a_division_is_not_computed_ahead() -> None:
    program = parse(
        "entry:\n  a = load1 0\n  if a == 1 goto more else no\n"
        "more:\n  b = load1 1\n  c = a / b\n  if c == 1 goto yes else no" + ENDING
    )
    quick = made(program)
    assert not decisions(quick)
    assert len(quick.blocks[0].insns) == 2, "a check and a load"


def test_leads_to_exact_is_a_bound_that_no_packet_meets() -> None:
    quick = made(lowered("tcp dst port 80", Dialect.NETBPF))
    ends = [insn.end for block in quick for insn in block.insns if isinstance(insn, Bound)]
    assert U32 in ends
