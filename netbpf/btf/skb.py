"""What a program has to know of the kernel's own struct sk_buff, to read packets through it.

Depends on btf.decode.
"""

from __future__ import annotations

from netbpf.btf.decode import Types
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class SkBuff:
    """The BTF id of bpf_cast_to_kern_ctx (Linux 6.2), and offsets in struct sk_buff, in bytes."""

    cast: int
    len: int  # u32: bytes of the packet
    data_len: int  # u32: how many of them are not in the linear part
    data: int  # the address of the linear part


def sk_buff(btf: bytes) -> SkBuff | None:
    """Find them in a kernel's BTF; None where it lacks one. Raises ValueError for no BTF."""
    types = Types(btf)
    cast, members = types.function("bpf_cast_to_kern_ctx"), types.members("sk_buff")
    if cast is None or not {"len", "data_len", "data"} <= members.keys():
        return None
    return SkBuff(cast, members["len"], members["data_len"], members["data"])
