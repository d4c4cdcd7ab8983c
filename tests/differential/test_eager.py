"""Programs with an eager version give the verdict of the interpreter, whatever is folded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from netbpf import compiler
from netbpf.codegen.ebpf import costs
from netbpf.codegen.ebpf.eager import eager
from netbpf.codegen.ebpf.sets import Tables
from netbpf.compiler import Options
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.objects import Program
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import XdpAction
from tests.support.bytetests import random_text
from tests.support.ebpf_vm import Vm
from tests.support.irgen import random_packet
from tests.support.programs import FRAGS
from tests.support.tools import scaled

_PCAP = Options(dialect=Dialect.PCAP)
_SHORTEST = 14  # bytes that the kernel tests a program at XDP with


@pytest.fixture(params=["as it pays", "all"], autouse=True)
def _folded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "all":
        monkeypatch.setattr(costs, "MISPREDICTED", 100_000)
        monkeypatch.setattr(costs, "MOST_AHEAD", 100_000)


def programs(
    count: int, *, frags: bool = True
) -> Iterator[tuple[str, Machine, ProgramSpec, random.Random]]:
    """Yield expressions that have an eager version, with what interprets and what runs them."""
    for seed in range(count):
        rng = random.Random(seed)
        text = random_text(rng, rng.choice((2, 3)))
        program = compiler.to_ir(text, _PCAP, Target.XDP).program
        if eager(program, Tables("")) is not None:
            spec = compiler.compile(text, target=Target.XDP, options=_PCAP, frags=frags)
            assert isinstance(spec, ProgramSpec)
            yield f"seed {seed}: {text}", Machine(program), spec, rng


def packets(rng: random.Random, count: int) -> Iterator[Packet]:
    return (Packet(random_packet(rng).data) for _ in range(count))


def code(verdict: Verdict) -> int:
    return XdpAction.DROP if verdict is Verdict.MATCH else XdpAction.PASS


def test_a_strict_machine_agrees() -> None:
    verdicts: Counter[Verdict] = Counter()
    for what, machine, spec, rng in programs(scaled(120)):
        vm = Vm(spec)
        for packet in packets(rng, 20):
            linear = rng.randint(0, len(packet.data))
            verdict = machine.run(packet)
            assert vm.run(packet.data, linear=linear) == code(verdict), f"{packet}, {what}"
            verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 20


@pytest.mark.root
def test_the_kernel_agrees() -> None:
    verdicts: Counter[Verdict] = Counter()
    for what, machine, spec, rng in programs(scaled(120), frags=FRAGS):
        with Program.load(spec) as loaded:
            for packet in packets(rng, 20):
                if len(packet.data) < _SHORTEST:
                    continue
                verdict = machine.run(packet)
                assert loaded.test_run(packet.data).retval == code(verdict), f"{packet}, {what}"
                verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 20
