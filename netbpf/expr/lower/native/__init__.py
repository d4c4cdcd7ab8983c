"""The default dialect: pcap-filter with its known faults mended, and the extensions.

Where the layers of a packet begin is found by header walks (`link`, `network`), which are emitted
when a primitive first needs them, so that the order of loads is the order of the text. A walk
assigns all of its registers on every path that goes on; a later primitive finds them there. Where
the paths of a long expression would walk again and again, but none matches without, the walk comes
first of all (lower.lower): what it ends early would not have matched either.
Depends on the files of this package, and common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netbpf.expr.environment import Environment
from netbpf.expr.lower.arith import lower_relation
from netbpf.expr.lower.boolean import DialectLowering, lower_boolean
from netbpf.expr.lower.common.dispatch import shared_test
from netbpf.expr.lower.native.link import LINK_ASKED
from netbpf.expr.lower.native.network import ASKED, long_walks
from netbpf.expr.lower.native.plain import COMMON, plain_packets
from netbpf.expr.lower.native.scope import Scope
from netbpf.expr.lower.native.stack import NativeStack
from netbpf.expr.nodes import (
    Fragment,
    Inner,
    PayloadStarts,
    Relation,
    TcpFlags,
    Test,
    TunnelTest,
)
from netbpf.ir.builder import Builder
from netbpf.ir.program import Label, Program
from netbpf.proto.linktype import LinkType

_FEW_WALKS = 2  # that an expression may have in different paths, to spare the others the walk


class NativeLowering(DialectLowering):
    """Lowers the tests of one expression; the scope is that of the test at hand."""

    def __init__(self, env: Environment, builder: Builder) -> None:
        self.builder = builder
        self._reuse = env.reuse
        self._versatile = env.roomy and env.linktype is LinkType.EN10MB
        self._stack = NativeStack(env, builder)

    def kinds(self) -> Sequence[int]:
        """Return the EtherTypes of what is so common that it may have a version to itself."""
        asked = self.builder.assigned(self._stack.scope.reg(LINK_ASKED))
        return COMMON if self._versatile and asked else ()

    def versions(self, kinds: Sequence[int]) -> Iterator[int | None]:
        """Emit the ways into the versions, for plain packets of some EtherTypes and for all."""
        if kinds:
            yield from plain_packets(self._stack, kinds)
        yield None

    def prepare(self) -> None:
        """Walk the outermost network header; every test that needs it will find that done."""
        self._stack.network_header().whole()
        self.builder.unmark(self._stack.scope.reg(ASKED))

    def was_asked_for(self) -> bool:
        """Return whether every path to here needed the walk that `prepare` emits."""
        return self.builder.assigned(self._stack.scope.reg(ASKED))

    def repeats(self, program: Program) -> bool:
        """Return whether the network header is walked often."""
        return long_walks(program) > _FEW_WALKS

    def test(self, node: Test, yes: Label, no: Label) -> None:
        """Emit one test. Raises ExpressionError."""
        if not self._reuse:
            self.builder.forget()
        stack = self._stack
        stack.span = node.span
        shared = shared_test(stack, node)
        if shared is not None:
            shared(yes, no)
        elif isinstance(node, Inner):
            self._inner(node, yes, no)
        elif isinstance(node, Relation):
            # Few expressions have these: imported when met, they do not slow the start of others.
            from netbpf.expr.lower.native.operands import NativeHeaders

            lower_relation(node, NativeHeaders(stack), yes, no)
        elif isinstance(node, TunnelTest):
            from netbpf.expr.lower.native.tunnels import tunnel_holds

            tunnel_holds(stack, node)(yes, no)
        else:
            assert isinstance(node, TcpFlags | PayloadStarts | Fragment)
            from netbpf.expr.lower.native.extras import extension_holds

            extension_holds(stack, node)(yes, no)

    def scope(self) -> Scope:
        """Return the present scope."""
        return self._stack.scope

    def restore(self, scope: object) -> None:
        """Go back to a scope."""
        assert isinstance(scope, Scope)
        self._stack.scope = scope

    def follow(self, node: Test) -> None:
        """After a tunnel's primitive, speak of what it carries."""
        if isinstance(node, TunnelTest):
            from netbpf.expr.lower.native.tunnels import scope_after

            self._stack.scope = scope_after(self._stack, node)

    def _inner(self, node: Inner, yes: Label, no: Label) -> None:
        """Lower `inner (EXPR)`. The nesting is bounded, so this may call itself."""
        from netbpf.expr.lower.native import inner

        outside = self._stack.scope
        self._stack.scope = inner.enter(self._stack, node, no)
        lower_boolean(node.expr, self, yes, no)
        self._stack.scope = outside
