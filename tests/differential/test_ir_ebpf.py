"""Random programs of the IR: their eBPF gives the verdict of the interpreter at every hook.

In a machine of ours, which is strict and has packets whose linear part ends anywhere, and in the
kernel. There a test run refuses frames below 14 bytes, for tc and sockets cut IP headers too
(EINVAL), and shows a socket filter what is behind the Ethernet header.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from netbpf.codegen.ebpf import costs, generate, ranges
from netbpf.codegen.hooks import Hook, hook_for
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import MetaField, Program, Verdict
from netbpf.ir.text import dump
from netbpf.objects import Program as LoadedProgram
from netbpf.records import replace
from netbpf.spec import Action, Key, ProgramSpec, Target
from tests.support.buffs import SOCKETS, Way
from tests.support.ebpf_vm import BUFF, Skb, Vm
from tests.support.irgen import random_packet, random_program
from tests.support.tools import scaled

SNAPLEN = 3000
PACKETS = 20

HOOKS = [
    hook_for(Target.XDP),
    hook_for(Target.XDP, frags=False),
    hook_for(Target.TC),
    hook_for(Target.TC_EGRESS),
    hook_for(Target.SOCKET),
    hook_for(Target.SOCKET, buff=BUFF),
]


def name(hook: Hook) -> str:
    way = "" if hook.tracked else ", untracked"
    return (hook.section if hook.target is Target.XDP else hook.target.value) + way


def bare(program: Program, hook: Hook) -> ProgramSpec:
    return generate(program, hook, action=Action.DROP, counting=False, snaplen=SNAPLEN)


def match_code(hook: Hook) -> int:
    return SNAPLEN if hook.target is Target.SOCKET else hook.drop


def programs(count: int, **arguments: tuple[MetaField, ...]) -> Iterator[tuple[str, Program]]:
    for seed in range(count):
        rng = random.Random(seed)
        program = random_program(rng, size=rng.choice((2, 4, 8, 16)), **arguments)
        yield f"seed {seed}\n{dump(program)}", program


def at_hook(rng: random.Random, hook: Hook) -> tuple[Packet, Skb]:
    """Return a random packet as the hook knows it, and what an skb says beside its bytes."""
    packet = replace(random_packet(rng), length=None)
    if hook.target is Target.XDP:
        packet = replace(packet, vlan=None, outbound=False)
    elif hook.target is not Target.SOCKET:
        packet = replace(packet, outbound=hook.target is Target.TC_EGRESS)
    pkt_type = 4 if packet.outbound else rng.choice((0, 1, 2, 3, 5, 6, 7))
    return packet, Skb(packet.ifindex, pkt_type, packet.vlan)


@pytest.fixture(params=["plain", "blurred", "eager"])
def _extreme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do in small programs what else only large ones or dear branches give reason for.

    Blur few joins as many are, and tests as in long programs (codegen.ebpf.ranges); or fold all
    that can be folded (codegen.ebpf.costs).
    """
    if request.param == "blurred":
        monkeypatch.setattr(ranges, "_FEW_JOINS", 0)
        monkeypatch.setattr(ranges, "_LONG", 0)
    if request.param == "eager":
        monkeypatch.setattr(costs, "MISPREDICTED", 100_000)
        monkeypatch.setattr(costs, "MOST_AHEAD", 100_000)


@pytest.mark.usefixtures("_extreme")
@pytest.mark.parametrize("hook", HOOKS, ids=name)
def test_a_strict_machine_agrees(hook: Hook) -> None:
    verdicts: Counter[Verdict] = Counter()
    for what, program in programs(scaled(120)):
        machine, vm = Machine(program), Vm(bare(program, hook))
        rng = random.Random(what)
        for _ in range(PACKETS):
            packet, skb = at_hook(rng, hook)
            linear = (
                len(packet.data) if hook.load_bytes is None else rng.randint(0, len(packet.data))
            )
            verdict = machine.run(packet)
            got = vm.run(packet.data, linear=linear, skb=skb)
            expected = match_code(hook) if verdict is Verdict.MATCH else hook.accept & 0xFFFFFFFF
            assert got == expected, f"{packet} of which {linear} are linear, {what}"
            verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("hook", HOOKS, ids=name)
def test_a_strict_machine_counts(hook: Hook, action: Action) -> None:
    """The totals are right, and the key of each packet is what its program says."""
    if hook.target is Target.SOCKET and action is not Action.COUNT:
        return
    counted = 0
    for what, program in programs(scaled(40)):
        rng = random.Random(what)
        key = with_outputs(rng, 5)
        filtering = replace(program, outputs=())
        spec = generate(filtering, hook, action=action, keys={Key.SRC: key})
        vm, machine, keyer = Vm(spec), Machine(filtering), Machine(key)
        packets = octets = dropped = 0
        entries: Counter[tuple[int, ...]] = Counter()
        for _ in range(PACKETS):
            packet, skb = at_hook(rng, hook)
            linear = (
                len(packet.data) if hook.load_bytes is None else rng.randint(0, len(packet.data))
            )
            got = vm.run(packet.data, linear=linear, skb=skb)
            match = machine.run(packet) is Verdict.MATCH
            drops = action is (Action.DROP if match else Action.PASS)
            assert got == (hook.drop if drops else hook.accept & 0xFFFFFFFF), f"{packet}, {what}"
            dropped += drops
            if match:
                packets += 1
                octets += packet.meta(MetaField.LENGTH)
                entries[keyer.outputs(packet) or (0,) * 5] += 1
        totals = vm.value("totals", bytes(4))
        assert totals is not None
        assert struct.unpack("=4Q", totals) == (packets, octets, dropped, len(entries)), what
        for words, count in entries.items():
            value = vm.value("src", struct.pack("=5I", *words))
            assert value is not None, f"no key {words}, {what}\n{dump(key)}"
            assert struct.unpack_from("=Q", value) == (count,)
        counted += packets
    assert counted > scaled(40)


def with_outputs(rng: random.Random, words: int) -> Program:
    """Return a random program with so many outputs."""
    while True:
        program = random_program(rng, size=rng.choice((1, 2, 4)))
        if program.outputs:
            repeated = program.outputs * words
            return replace(program, outputs=repeated[:words])


@pytest.mark.root
@pytest.mark.usefixtures("_extreme")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(HOOKS[0], marks=pytest.mark.needs_kernel("XDP programs for jumbo frames")),
        *HOOKS[1:3],
    ],
    ids=name,
)
def test_the_kernel_agrees_on_whole_packets(hook: Hook) -> None:
    verdicts: Counter[Verdict] = Counter()
    for what, program in programs(scaled(150), meta=(MetaField.LENGTH,)):
        machine = Machine(program)
        with LoadedProgram.load(bare(program, hook)) as loaded:
            for data in frames(random.Random(what), unknown_protocol=hook.target is Target.TC):
                verdict = machine.run(Packet(data))
                expected = match_code(hook) if verdict is Verdict.MATCH else hook.accept
                assert loaded.test_run(data).action == expected, f"{data.hex()}, {what}"
                verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10


@pytest.mark.root
@pytest.mark.usefixtures("_extreme")
@SOCKETS
def test_the_kernel_agrees_at_sockets(way: Way) -> None:
    hook = hook_for(Target.SOCKET, buff=way.buff())
    verdicts: Counter[Verdict] = Counter()
    for what, program in programs(scaled(150), meta=(MetaField.LENGTH,)):
        machine = Machine(program)
        with LoadedProgram.load(bare(program, hook)) as loaded:
            for data in frames(random.Random(what), unknown_protocol=True):
                shown = data[14:]
                if not shown:
                    continue
                verdict = machine.run(Packet(shown))
                expected = SNAPLEN if verdict is Verdict.MATCH else 0
                assert loaded.test_run(data).action == expected, f"{shown.hex()}, {what}"
                verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10


@pytest.mark.root
@pytest.mark.needs_kernel("test runs with short linear parts", since="6.18")
def test_the_kernel_agrees_on_multi_buffer_packets() -> None:
    """Every packet's linear part ends anywhere: a test run's context says where."""
    hook = hook_for(Target.XDP)
    verdicts: Counter[Verdict] = Counter()
    for what, program in programs(scaled(150), meta=(MetaField.LENGTH,)):
        machine = Machine(program)
        with LoadedProgram.load(bare(program, hook)) as loaded:
            rng = random.Random(what)
            for data in frames(rng, unknown_protocol=False):
                linear = rng.randint(1, len(data))
                verdict = machine.run(Packet(data))
                expected = match_code(hook) if verdict is Verdict.MATCH else hook.accept
                context = struct.pack("=6I", 0, linear, 0, 0, 0, 0)  # data, data_end, …
                got = loaded.test_run(data, ctx=context).action
                assert got == expected, f"{data.hex()} of which {linear} are linear, {what}"
                verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10


def frames(rng: random.Random, *, unknown_protocol: bool) -> Iterator[bytes]:
    """Yield random packets of at least 14 bytes; if asked, of no protocol that the kernel knows."""
    for _ in range(PACKETS):
        data = random_packet(rng).data.ljust(14, b"\x45")
        yield data[:12] + b"\xff\xff" + data[14:] if unknown_protocol else data
