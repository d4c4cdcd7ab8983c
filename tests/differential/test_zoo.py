"""The interpreter's verdict on every frame of the zoo is what the frame's facts say."""

from __future__ import annotations

import pytest

from netbpf import compiler
from netbpf.expr.names import NoNames
from netbpf.ir import interp
from netbpf.ir.program import Program, Verdict
from netbpf.spec import Target
from tests.support.packets import Frame, zoo
from tests.support.truth import TRUTHS, Truth

OPTIONS = compiler.Options(resolver=NoNames())
PLAIN = compiler.Options(resolver=NoNames(), optimise=False)


@pytest.mark.parametrize("options", [OPTIONS, PLAIN], ids=["optimised", "plain"])
@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.expression or "everything")
def test_inline_tags(truth: Truth, options: compiler.Options) -> None:
    """As in a capture file, and at XDP."""
    program = compiler.to_ir(truth.expression, options, Target.XDP).program
    found = {x.name for x in zoo().values() if _matches(program, interp.Packet(x.data))}
    assert found == {x.name for x in zoo().values() if truth.matches(x.facts)}


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.expression or "everything")
def test_stripped_tags(truth: Truth) -> None:
    """As at tc ingress and on a socket: the outermost tag beside the packet."""
    program = compiler.to_ir(truth.expression, OPTIONS, Target.TC).program
    found = {x.name for x in zoo().values() if _matches(program, stripped(x))}
    assert found == {x.name for x in zoo().values() if truth.matches(x.facts)}


def stripped(frame: Frame) -> interp.Packet:
    """Return the frame as the kernel keeps it: it strips 802.1Q and 802.1ad, not 0x9100."""
    tpid = int.from_bytes(frame.data[12:14], "big")
    if tpid not in {0x8100, 0x88A8}:
        return interp.Packet(frame.data)
    tci = int.from_bytes(frame.data[14:16], "big")
    return interp.Packet(frame.data[:12] + frame.data[16:], vlan=(tpid, tci))


def _matches(program: Program, packet: interp.Packet) -> bool:
    return interp.run(program, packet) is Verdict.MATCH
