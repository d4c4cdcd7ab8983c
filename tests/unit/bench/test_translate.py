"""The translation of classic BPF that netbpf is measured beside gives the same verdicts."""

from __future__ import annotations

import pytest

from netbpf import compiler
from netbpf.asm.cbpf import Insn, Op
from netbpf.uapi.bpf import XdpAction
from tests.bench.expressions import expressions
from tests.bench.translate import translated
from tests.support import cbpf_vm
from tests.support.ebpf_vm import Vm
from tests.support.packets import zoo

TEXTS = {one.name: one.text for one in expressions()}
LENGTHS = (20, 34, 37)


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "200 CIDRs"])
def test_every_packet_has_the_verdict_of_the_classic_machine(name: str) -> None:
    insns = compiler.compile_classic(TEXTS[name]).insns
    vm = Vm(translated(insns))
    frames = [frame.data for frame in zoo().values() if len(frame.data) < 400][::2]
    cut = [frame[:length] for frame in frames[::3] for length in LENGTHS]
    for data in (*frames, *cut):
        expected = bool(cbpf_vm.run(insns, data))
        assert (vm.run(data) == XdpAction.DROP) == expected, data.hex()


def test_a_jump_goes_where_it_went() -> None:
    code = (
        Insn(Op.LD_LEN, 0, 0, 0),
        Insn(Op.JSET_K, 0, 1, 1),  # odd: on, even: one further
        Insn(Op.RET_K, 0, 0, 7),
        Insn(Op.JGT_K, 0, 2, 50),
        Insn(Op.JA, 0, 0, 0),
        Insn(Op.RET_K, 0, 0, 7),
        Insn(Op.RET_K, 0, 0, 0),
    )
    vm = Vm(translated(code))
    lengths = {20: False, 21: True, 52: True, 53: True}
    for length, matches in lengths.items():
        assert (vm.run(bytes(length)) == XdpAction.DROP) == matches, length
