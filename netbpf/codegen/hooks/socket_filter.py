"""Socket filters: SO_ATTACH_BPF on a packet socket, which then sees what the interface sees.

No direct access to bytes. The program returns how many of them the socket is given.
"""

from __future__ import annotations

from netbpf.asm.ebpf import Alu, Insn, alu64, load
from netbpf.asm.helpers import Helper
from netbpf.codegen.hooks import skb
from netbpf.codegen.hooks.hook import CTX, Hook
from netbpf.spec import Target
from netbpf.uapi.bpf import ProgType

_PACKET_OUTGOING = 4  # include/uapi/linux/if_packet.h


def _is_outgoing(dst: int) -> tuple[Insn, ...]:
    """1 if pkt_type == PACKET_OUTGOING: only 0 - 1 is negative."""
    return (
        load(4, dst, CTX, skb.PKT_TYPE),
        alu64(Alu.XOR, dst, _PACKET_OUTGOING),
        alu64(Alu.SUB, dst, 1),
        alu64(Alu.RSH, dst, 63),
    )


SOCKET = Hook(
    target=Target.SOCKET,
    type=ProgType.SOCKET_FILTER,
    attach_type=None,
    section="socket",
    linear=None,
    load_bytes=Helper.SKB_LOAD_BYTES,
    buffer_length=skb.field(skb.LEN),
    meta=skb.meta(outbound=_is_outgoing),
    accept=0,  # seen is all that a packet must be: none is copied to user space
    drop=0,
)
