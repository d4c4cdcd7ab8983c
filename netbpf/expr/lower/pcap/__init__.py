"""The pcap dialect: the verdicts of libpcap, packet by packet, its faults included.

What libpcap's 1.10 series and the coming 1.11 decide differently is decided as by 1.10, but for
`byte N & V` and `|`, for which 1.10 forgets to load the byte.
Depends on the files of this package, and common.
"""

from __future__ import annotations

from netbpf.expr.environment import Environment
from netbpf.expr.lower.arith import lower_relation
from netbpf.expr.lower.boolean import DialectLowering, lower_boolean
from netbpf.expr.lower.common.dispatch import shared_test
from netbpf.expr.lower.common.tests import refuse
from netbpf.expr.lower.frame import Frame
from netbpf.expr.lower.pcap.operands import PcapHeaders
from netbpf.expr.lower.pcap.scratch import zero_filled
from netbpf.expr.lower.pcap.stack import PcapStack
from netbpf.expr.lower.pcap.tunnels import Tunnels
from netbpf.expr.nodes import Expr, Relation, Test, TunnelTest
from netbpf.ir.builder import Builder
from netbpf.ir.program import Cmp, Label, MetaField, Program
from netbpf.proto.linktype import LinkType


class PcapLowering(DialectLowering):
    """Lowers the tests of one expression, in the order of its text."""

    def __init__(self, env: Environment, builder: Builder) -> None:
        self.builder = builder
        self._env = env
        self._tunnels = Tunnels()
        self._enter(Frame(builder))

    def lower(self, expr: Expr, yes: Label, no: Label) -> None:
        """Emit an expression, where a tag may be stripped for either case by itself."""
        if self._env.stripped_tags and self._env.linktype is LinkType.EN10MB:
            tagged, whole = self.builder.label("tagged"), self.builder.label("whole")
            present = self.builder.meta(MetaField.VLAN_PRESENT)
            self.builder.branch(Cmp.EQ, present, 1, tagged, whole)
            self.builder.place(tagged)
            self._enter(Frame(self.builder, stripped=True))
            lower_boolean(expr, self, yes, no)
            self.builder.place(whole)
            self._enter(Frame(self.builder))
        lower_boolean(expr, self, yes, no)

    def finish(self) -> Program:
        """Return the program, with zeros for what a tunnel that is not there would have set."""
        return zero_filled(self.builder.finish(), self._tunnels.scratch)

    def test(self, node: Test, yes: Label, no: Label) -> None:
        """Emit one test. Raises ExpressionError."""
        test = shared_test(self._stack, node)
        if test is not None:
            test(yes, no)
        elif isinstance(node, Relation):
            lower_relation(node, self._headers, yes, no)
        elif isinstance(node, TunnelTest):
            self._tunnels.test(self._stack, node)(yes, no)
        else:
            raise refuse(self._stack, "this is not part of pcap-filter", node.span)

    def _enter(self, frame: Frame) -> None:
        """Begin with the offsets that an expression begins with."""
        self._stack = PcapStack(self._env, self.builder, frame)
        self._headers = PcapHeaders(self._stack)
