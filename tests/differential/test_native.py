"""The default dialect against tests.support.reference, over random expressions and packets.

Each expression is lowered with and without reuse, and for hooks that strip tags; the packets are
nested headers at random, and packets made from the expression with every tested bit flipped, all of
them cut off here and there. `NETBPF_SCALE=20` asks twenty times as much, `NETBPF_SEED=7` others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.environment import Environment
from netbpf.expr.lower import lower
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect, Expr
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Label, Program, Verdict
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from tests.support.extended import Extended, texts
from tests.support.mutate import packets_for
from tests.support.nested import nested_frame
from tests.support.packets import zoo
from tests.support.reference import matches
from tests.support.tools import scaled

SEED = int(os.environ.get("NETBPF_SEED", "1"))
NETMASK = 0xFFFFFF00
LINKTYPES = [linktype for linktype in LinkType if linktype is not LinkType.EN10MB]


def parsed(text: str, linktype: LinkType) -> Expr | None:
    """Parse and resolve."""
    return resolve(
        parse(text), text=text, dialect=Dialect.NETBPF, linktype=linktype, resolver=NoNames(),
        sets={},
    )  # fmt: skip


def compiled(expr: Expr | None, env: Environment) -> Program:
    """Lower and verify."""
    program = lower(expr, env)
    verify(program)
    return program


def accepted(draw: Callable[[], str], env: Environment) -> str:
    """Draw an expression that makes sense: not, say, a VLAN within MPLS."""
    for _ in range(100):
        text = draw()
        try:
            compiled(parsed(text, env.linktype), replace(env, text=text))
        except ExpressionError:
            continue
        return text
    raise AssertionError("no expression is accepted")


def cuts(data: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Yield a packet, and some of what is left when its end is missing."""
    yield data
    for length in rng.sample(range(len(data)), min(count, len(data))):
        yield data[:length]


def differences(
    text: str, env: Environment, packets: list[Packet], programs: dict[str, Program]
) -> list[str]:
    """Return a line for each packet on which a program and the reference differ."""
    expr = parsed(text, env.linktype)
    machines = {name: Machine(program, strict=True) for name, program in programs.items()}
    wrong = []
    for packet in packets:
        expected = matches(expr, packet, env)
        for name, machine in machines.items():
            if (machine.run(packet) is Verdict.MATCH) is not expected:
                wrong.append(f"{text!r} {name} should be {expected} on {packet}")
    return wrong


def frames_for(program: Program, linktype: LinkType, rng: random.Random) -> list[bytes]:
    """Return nested headers: such as reach every part of the program, and some more."""
    machine = Machine(program)
    chosen: list[bytes] = []
    rest: list[bytes] = []
    reached: set[Label] = set()
    for _ in range(300):
        frame = nested_frame(rng, linktype)
        blocks = {step.block for step in machine.trace(Packet(frame)).steps}
        (rest if blocks <= reached else chosen).append(frame)
        reached |= blocks
    return chosen + rest[:20]


def compare(
    text: str, env: Environment, rng: random.Random, mutants: int = 80
) -> tuple[int, list[str]]:
    """Ask about one expression; return how much was asked, and the differences."""
    expr = parsed(text, env.linktype)
    programs = {
        "with reuse": compiled(expr, env),
        "without reuse": compiled(expr, replace(env, reuse=False)),
        "in versions": compiled(expr, replace(env, roomy=True)),
    }
    frames = frames_for(programs["with reuse"], env.linktype, rng)
    packets = [Packet(cut) for frame in frames for cut in cuts(frame, rng, 3)]
    made = packets_for(programs["with reuse"], seeds=frames[:12], count=mutants, rng=rng)
    packets += [Packet(mutant.data, mutant.length) for mutant in made]
    wrong = differences(text, env, packets, programs)
    if env.linktype is LinkType.EN10MB:
        stripping = replace(env, stripped_tags=True)
        tagged = [packet for packet in map(stripped, packets) if packet is not None]
        programs = {
            "stripped": compiled(expr, stripping),
            "stripped, in versions": compiled(expr, replace(stripping, roomy=True)),
        }
        wrong += differences(text, stripping, tagged, programs)
        packets += tagged
    return len(packets), wrong


def stripped(packet: Packet) -> Packet | None:
    """Return the packet as an skb hook sees it; None for what such a hook never sees."""
    data = packet.data
    if len(data) < 14:
        return None
    tpid = int.from_bytes(data[12:14], "big")
    if tpid not in (0x8100, 0x88A8):
        return packet
    if len(data) < 18:
        return None
    tci = int.from_bytes(data[14:16], "big")
    return Packet(data[:12] + data[16:], packet.length or len(data), vlan=(tpid, tci))


@pytest.mark.parametrize("part", range(4))
def test_ethernet_agrees_with_the_reference(part: int) -> None:
    generator = Extended(SEED + part)
    env = Environment("", netmask=NETMASK, live=True)
    check(lambda: generator.expression(4), env, scaled(3))


@pytest.mark.parametrize("part", range(4))
def test_what_only_this_dialect_has(part: int) -> None:
    """By itself, where nothing hides a difference."""
    generator = Extended(SEED + part)
    env = Environment("", netmask=NETMASK, live=True)
    check(generator.own_leaf, env, scaled(5), mutants=120)


@pytest.mark.parametrize("linktype", LINKTYPES, ids=lambda linktype: linktype.name)
def test_other_link_types_agree_with_the_reference(linktype: LinkType) -> None:
    generator = Extended(SEED, linktype)
    env = Environment("", linktype=linktype, netmask=NETMASK, live=True)
    check(lambda: generator.expression(4), env, scaled(2))


def check(
    draw: Callable[[], str], env: Environment, expressions: int, *, mutants: int = 80
) -> None:
    """Draw expressions; fail with the differences."""
    rng = random.Random(SEED)
    asked, wrong = 0, []
    for _ in range(expressions):
        text = accepted(draw, env)
        count, found = compare(text, replace(env, text=text), rng, mutants)
        asked += count
        wrong += found
    assert asked > 100 * expressions
    assert not wrong, f"seed {SEED}: {len(wrong)} differences\n" + "\n".join(wrong[:5])


@pytest.mark.parametrize("part", range(4))
def test_every_tunnel_and_what_it_carries(part: int) -> None:
    rng = random.Random(SEED + part)
    env = Environment("", netmask=NETMASK, live=True)
    frames = [nested_frame(rng, tunnels=n % 3 > 0) for n in range(scaled(250))]
    packets = [Packet(cut) for frame in frames for cut in cuts(frame, rng, rng.randrange(2))]
    held = [packet for packet in map(stripped, packets) if packet is not None and packet.vlan]
    for text in texts()[part::4]:
        here = replace(env, text=text)
        program = {"with reuse": compiled(parsed(text, env.linktype), here)}
        wrong = differences(text, here, packets, program)
        stripping = replace(here, stripped_tags=True)
        program = {"stripped": compiled(parsed(text, env.linktype), stripping)}
        wrong += differences(text, stripping, held, program)
        assert not wrong, f"seed {SEED}: {len(wrong)} differences\n" + "\n".join(wrong[:5])


def test_every_frame_of_the_zoo_cut_at_every_length() -> None:
    """Every primitive by itself, or nearly: leaves, on real frames."""
    rng = random.Random(SEED)
    generator = Extended(SEED)
    env = Environment("", netmask=NETMASK, live=True)
    frames = rng.sample([frame.data for frame in zoo().values() if len(frame.data) < 300], 6)
    packets = [Packet(data[:length]) for data in frames for length in range(len(data) + 1)]
    for _ in range(scaled(15)):
        leaf = accepted(generator.leaf, env)
        text = f"not ({leaf})" if rng.random() < 0.5 else leaf
        here = replace(env, text=text)
        program = compiled(parsed(text, env.linktype), here)
        wrong = differences(text, here, packets, {"with reuse": program})
        assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:5])
