"""tc: clsact and tcx, both directions. The buffer begins at the link header.

TC_ACT_UNSPEC leaves the packet to the filters behind this one; the attach type is the link's to
say, so that one program fits clsact and tcx.
"""

from __future__ import annotations

from netbpf.asm.ebpf import mov
from netbpf.asm.helpers import Helper
from netbpf.codegen.hooks import skb
from netbpf.codegen.hooks.hook import Hook, linear_part
from netbpf.records import replace
from netbpf.spec import Target
from netbpf.uapi.bpf import ProgType

_TC_ACT_UNSPEC = -1  # include/uapi/linux/pkt_cls.h
_TC_ACT_SHOT = 2

TC = Hook(
    target=Target.TC,
    type=ProgType.SCHED_CLS,
    attach_type=None,
    section="tc",
    linear=linear_part(skb.DATA, skb.DATA_END),
    load_bytes=Helper.SKB_LOAD_BYTES,
    buffer_length=skb.field(skb.LEN),
    meta=skb.meta(outbound=lambda dst: (mov(dst, 0),)),
    accept=_TC_ACT_UNSPEC,
    drop=_TC_ACT_SHOT,
)

TC_EGRESS = replace(TC, target=Target.TC_EGRESS, meta=skb.meta(outbound=lambda dst: (mov(dst, 1),)))
