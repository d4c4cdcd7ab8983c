from __future__ import annotations

import pytest

from netbpf.asm.disasm import text
from netbpf.codegen.ebpf import generate
from netbpf.codegen.hooks import Hook, hook_for
from netbpf.errors import UsageError
from netbpf.ir.program import MetaField
from netbpf.ir.text import parse
from netbpf.spec import Target
from netbpf.uapi.bpf import AttachType, ProgFlag, ProgType, XdpAction
from netbpf.uapi.pkt_cls import TcAction
from tests.support.ebpf_vm import Skb, Vm

HOOKS = [hook_for(target) for target in Target if target is not Target.CBPF]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.target.value)
def test_every_hook_knows_every_field(hook: Hook) -> None:
    assert set(hook.meta) == set(MetaField)
    assert hook.load_bytes is not None


def test_verdict_codes_are_those_of_uapi() -> None:
    codes = {hook.target: (hook.accept, hook.drop) for hook in HOOKS}
    assert codes == {
        Target.XDP: (XdpAction.PASS, XdpAction.DROP),
        Target.TC: (TcAction.UNSPEC, TcAction.SHOT),
        Target.TC_EGRESS: (TcAction.UNSPEC, TcAction.SHOT),
        Target.SOCKET: (0, 0),
    }


def test_types() -> None:
    types = {hook.target: (hook.type, hook.attach_type, hook.section) for hook in HOOKS}
    assert types == {
        Target.XDP: (ProgType.XDP, AttachType.XDP, "xdp.frags"),
        Target.TC: (ProgType.SCHED_CLS, None, "tc"),
        Target.TC_EGRESS: (ProgType.SCHED_CLS, None, "tc"),
        Target.SOCKET: (ProgType.SOCKET_FILTER, None, "socket"),
    }


def test_before_multi_buffer_frames_nothing_of_them_is_used() -> None:
    linear = hook_for(Target.XDP, frags=False)
    assert (linear.flags, linear.section, linear.load_bytes) == (ProgFlag(0), "xdp", None)
    for field in MetaField:
        assert all(insn.code != 0x85 for insn in linear.meta[field](2))
    assert hook_for(Target.XDP).flags == ProgFlag.XDP_HAS_FRAGS


@pytest.mark.parametrize(
    ("target", "field", "code"),
    [
        (Target.XDP, MetaField.LENGTH, "r1 = r6; call bpf_xdp_get_buff_len#188; r2 = r0"),
        (Target.XDP, MetaField.IFINDEX, "r2 = *(u32 *)(r6 +12)"),
        (Target.TC, MetaField.VLAN_TPID, "r2 = *(u32 *)(r6 +28); r2 = be16 r2"),
        (Target.TC, MetaField.OUTBOUND, "r2 = 0"),
        (Target.TC_EGRESS, MetaField.OUTBOUND, "r2 = 1"),
        (
            Target.SOCKET,
            MetaField.LENGTH,
            "r1 = *(u32 *)(r6 +20); r1 <<= 2; r2 = *(u32 *)(r6 +0); r2 += r1",
        ),
    ],
)
def test_code(target: Target, field: MetaField, code: str) -> None:
    assert "; ".join(map(text, hook_for(target).meta[field](2))) == code


@pytest.mark.parametrize("pkt_type", range(8))
def test_a_socket_sees_its_own_hosts_packets(pkt_type: int) -> None:
    program = parse(
        "entry:\n  o = meta outbound\n  if o == 1 goto yes else no\nyes:\n  match\nno:\n  no match"
    )
    vm = Vm(generate(program, hook_for(Target.SOCKET), counting=False))
    assert (vm.run(bytes(20), skb=Skb(pkt_type=pkt_type)) != 0) == (pkt_type == 4)


def test_classic_bpf_has_no_hook() -> None:
    with pytest.raises(UsageError, match="cbpf is no eBPF target"):
        hook_for(Target.CBPF)
