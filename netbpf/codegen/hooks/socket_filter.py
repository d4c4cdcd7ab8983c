"""Socket filters: SO_ATTACH_BPF on a packet socket, which then sees what the interface sees.

The context has no addresses of bytes: they are read with LD_ABS, a call for each, or where the
kernel lets programs look into its own struct sk_buff (Linux 6.17), directly.
The program returns how many bytes the socket is given.
"""

from __future__ import annotations

from netbpf.asm.ebpf import Alu, Insn, alu32_reg, alu64, alu64_reg, call_kernel, load, mov_reg
from netbpf.asm.helpers import Helper
from netbpf.btf.skb import SkBuff
from netbpf.codegen.hooks import skb
from netbpf.codegen.hooks.hook import CTX, Hook, LinearPart
from netbpf.records import replace
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


def reading(buff: SkBuff) -> Hook:
    """Return the hook of a kernel whose struct sk_buff is known."""
    return replace(SOCKET, linear=_linear_part(buff), tracked=False)


def _linear_part(buff: SkBuff) -> LinearPart:
    """Find it through the buffer: `bpf_cast_to_kern_ctx` becomes a move.

    `len` counts all bytes, `data_len` those beyond the linear part.
    """
    return lambda start, end: (
        mov_reg(1, CTX),
        call_kernel(buff.cast),
        load(8, start, 0, buff.data),
        load(4, 1, 0, buff.len),
        load(4, end, 0, buff.data_len),
        alu32_reg(Alu.SUB, 1, end),
        mov_reg(end, start),
        alu64_reg(Alu.ADD, end, 1),
    )
