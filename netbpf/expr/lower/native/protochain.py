"""`protochain N`: is a protocol somewhere in the chain of headers.

IPv6: the fixed header's next header, or that of any extension header. IPv4: the protocol, or what
follows an authentication header (RFC 4302); chains longer than `EXTENSIONS` end the program with
"no match", like those of IPv6.
Depends on native.network.
"""

from __future__ import annotations

from netbpf.expr.lower.native.network import EXTENSIONS, OFFSET, NetworkWalk
from netbpf.expr.lower.native.scope import Scope
from netbpf.ir.builder import Builder
from netbpf.ir.program import AluOp, Cmp, Label, Verdict
from netbpf.proto.ip import IpProtocol


def in_ipv4_chain(
    builder: Builder, scope: Scope, walk: NetworkWalk, number: int, yes: Label, no: Label
) -> None:
    """Emit the test where the packet is known to be IPv4."""
    walk.ipv4()
    protocol, here = scope.reg("proto"), scope.reg("l4")
    for step in range(EXTENSIONS + 1):
        other = builder.label("chain")
        builder.branch(Cmp.EQ, protocol, number, yes, other)
        builder.place(other)
        is_ah = builder.label("ah")
        builder.branch(Cmp.EQ, protocol, IpProtocol.AH, is_ah, no)
        builder.place(is_ah)
        if step == 0:
            whole = builder.label("chain")
            builder.branch(Cmp.SET, scope.reg("frag"), OFFSET, no, whole)
            builder.place(whole)
        if step == EXTENSIONS:
            break
        word = builder.load(here, 0, 2)
        protocol = builder.alu(AluOp.RSH, word, 8)
        units = builder.alu(AluOp.ADD, builder.alu(AluOp.AND, word, 0xFF), 2)
        length = builder.alu(AluOp.LSH, units, 2)
        here = builder.alu(AluOp.ADD, here, length, f"{scope.prefix}ah.{step}")
    builder.ret(Verdict.NO_MATCH)
