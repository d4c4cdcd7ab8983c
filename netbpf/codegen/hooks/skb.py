"""What tc and socket programs share: struct __sk_buff (include/uapi/linux/bpf.h).

The outermost VLAN tag is beside the bytes when the kernel or the card has stripped it.
"""

from __future__ import annotations

from netbpf.asm.ebpf import Alu, Insn, alu64, alu64_reg, big_endian, load
from netbpf.codegen.hooks.hook import CTX, Code
from netbpf.ir.program import MetaField

LEN = 0
PKT_TYPE = 4
_VLAN_PRESENT = 20
_VLAN_TCI = 24
_VLAN_PROTO = 28
_IFINDEX = 40
DATA = 76
DATA_END = 80


def field(offset: int) -> Code:
    """Return code that reads a u32 of the context."""
    return lambda dst: (load(4, dst, CTX, offset),)


def _wire_length(dst: int) -> tuple[Insn, ...]:
    """Add the stripped tag's 4 bytes to what the buffer holds."""
    return (
        load(4, 1, CTX, _VLAN_PRESENT),
        alu64(Alu.LSH, 1, 2),
        load(4, dst, CTX, LEN),
        alu64_reg(Alu.ADD, dst, 1),
    )


def _tpid(dst: int) -> tuple[Insn, ...]:
    return (load(4, dst, CTX, _VLAN_PROTO), big_endian(dst, 16))


def meta(outbound: Code) -> dict[MetaField, Code]:
    """Return the metadata of an skb hook; `outbound` is what they differ in."""
    return {
        MetaField.LENGTH: _wire_length,
        MetaField.IFINDEX: field(_IFINDEX),
        MetaField.OUTBOUND: outbound,
        MetaField.VLAN_PRESENT: field(_VLAN_PRESENT),
        MetaField.VLAN_TPID: _tpid,
        MetaField.VLAN_TCI: field(_VLAN_TCI),
    }
