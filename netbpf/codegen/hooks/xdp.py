"""XDP: frames as the driver received them (struct xdp_md, include/uapi/linux/bpf.h).

Tags are in the frame. A multi-buffer frame has only its first part in [data, data_end); programs
that say so (XDP_HAS_FRAGS, Linux 5.18) are given such frames.
"""

from __future__ import annotations

from netbpf.asm.ebpf import Alu, Insn, alu64_reg, call, load, mov, mov_reg
from netbpf.asm.helpers import Helper
from netbpf.codegen.hooks.hook import CTX, Hook, linear_part
from netbpf.ir.program import MetaField
from netbpf.spec import Target
from netbpf.uapi.bpf import AttachType, ProgFlag, ProgType, XdpAction

_DATA = 0
_DATA_END = 4
_INGRESS_IFINDEX = 12


def _linear_length(dst: int) -> tuple[Insn, ...]:
    return (
        load(4, 1, CTX, _DATA),
        load(4, dst, CTX, _DATA_END),
        alu64_reg(Alu.SUB, dst, 1),
    )


def _whole_length(dst: int) -> tuple[Insn, ...]:
    return (mov_reg(1, CTX), call(Helper.XDP_GET_BUFF_LEN), mov_reg(dst, 0))


def _ifindex(dst: int) -> tuple[Insn, ...]:
    return (load(4, dst, CTX, _INGRESS_IFINDEX),)


def _zero(dst: int) -> tuple[Insn, ...]:
    return (mov(dst, 0),)


_META = {
    MetaField.LENGTH: _whole_length,
    MetaField.IFINDEX: _ifindex,
    MetaField.OUTBOUND: _zero,
    MetaField.VLAN_PRESENT: _zero,
    MetaField.VLAN_TPID: _zero,
    MetaField.VLAN_TCI: _zero,
}

XDP = Hook(
    target=Target.XDP,
    type=ProgType.XDP,
    attach_type=AttachType.XDP,
    section="xdp.frags",
    linear=linear_part(_DATA, _DATA_END),
    load_bytes=Helper.XDP_LOAD_BYTES,
    buffer_length=_whole_length,
    meta=_META,
    accept=XdpAction.PASS,
    drop=XdpAction.DROP,
    flags=ProgFlag.XDP_HAS_FRAGS,
)

XDP_LINEAR = Hook(
    target=Target.XDP,
    type=ProgType.XDP,
    attach_type=AttachType.XDP,
    section="xdp",
    linear=linear_part(_DATA, _DATA_END),
    load_bytes=None,
    buffer_length=_linear_length,
    meta={**_META, MetaField.LENGTH: _linear_length},
    accept=XdpAction.PASS,
    drop=XdpAction.DROP,
)
"""For kernels before 5.18 and drivers that give no multi-buffer frames."""
