"""Random programs of the IR: their classic BPF gives the verdict of the interpreter.

In a machine of ours, which refuses what the kernel and libpcap do differently, and in the kernel.
"""

from __future__ import annotations

import random
from collections import Counter

from netbpf.codegen.cbpf import generate
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.passes import optimise
from netbpf.ir.program import MetaField, Verdict
from netbpf.ir.text import dump
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from tests.support import cbpf_vm
from tests.support.irgen import random_packet, random_program
from tests.support.kernel_cbpf import KernelFilter
from tests.support.tools import scaled

SNAPLEN = 20


def test_a_classic_machine_agrees() -> None:
    verdicts: Counter[Verdict] = Counter()
    for seed in range(scaled(400)):
        rng = random.Random(seed)
        program = random_program(rng, size=rng.choice((2, 4, 8, 16)))
        verify(program)
        machine = Machine(program, strict=True)
        program = rng.choice((program, optimise(program)))
        stripped = rng.random() < 0.5
        code = generate(program, linktype=LinkType.EN10MB, snaplen=SNAPLEN, stripped_tags=stripped)
        for _ in range(20):
            packet = random_packet(rng)
            verdict = machine.run(packet)
            # An skb's length does not count its stripped tag.
            length = packet.meta(MetaField.LENGTH) - (4 if packet.vlan and stripped else 0)
            got = cbpf_vm.run(code.insns, packet.data, length, cbpf_vm.skb_view(packet))
            expected = SNAPLEN if verdict is Verdict.MATCH else 0
            assert got == expected, f"seed {seed}, {packet}\n{dump(program)}"
            verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10


def test_the_kernel_agrees() -> None:
    verdicts: Counter[Verdict] = Counter()
    for seed in range(scaled(400)):
        rng = random.Random(-1 - seed)
        program = random_program(rng, size=rng.choice((2, 4, 8, 16)), meta=(MetaField.LENGTH,))
        machine = Machine(program, strict=True)
        program = rng.choice((program, optimise(program)))
        code = generate(program, linktype=LinkType.EN10MB, snaplen=SNAPLEN)
        with KernelFilter(code.insns) as kernel:
            for _ in range(20):
                packet = Packet(random_packet(rng).data)
                verdict = machine.run(packet)
                expected = min(SNAPLEN, len(packet.data)) if verdict is Verdict.MATCH else None
                got = kernel.run(packet.data)
                assert got == expected, f"seed {seed}, {packet}\n{dump(program)}"
                verdicts[verdict] += 1
    assert min(verdicts.values()) > sum(verdicts.values()) / 10
