"""Walk the syntax tree and ask the packet."""

from __future__ import annotations

from netbpf.expr import nodes
from netbpf.expr.environment import Environment
from netbpf.expr.nodes import BoolOp, Chain, Expr, FragmentKind, Inner, Not, Tunnel, TunnelTest
from netbpf.ir.interp import Packet
from netbpf.records import dataclass, replace
from tests.support.reference.headers import UndecidableError, View, ip_of
from tests.support.reference.primitives import (
    broadcast,
    byte_test,
    direction,
    interface,
    keyword,
    llc,
    multicast,
    primitive,
)
from tests.support.reference.tunnels import ANY, carried, holds
from tests.support.reference.values import has_payload, payload_at, relation

SHIFTING = (Tunnel.MPLS, Tunnel.PPPOES, Tunnel.GENEVE, Tunnel.VXLAN)


def matches(expr: Expr | None, packet: Packet, env: Environment) -> bool:
    """Whether a packet matches; a stripped tag is put back first."""
    data = packet.data
    if packet.vlan is not None:
        tag = b"".join(part.to_bytes(2, "big") for part in packet.vlan)
        data = data[:12] + tag + data[12:]
    length = len(data) if packet.length is None else packet.length
    view = View(data, length, packet.ifindex, packet.outbound, env.linktype)
    try:
        return expr is None or _Asker(env).ask(expr, _Scope(view))
    except UndecidableError:
        return False


@dataclass(frozen=True)
class _Scope:
    """What terms speak of: a view, and the tunnel that `inner` enters."""

    view: View
    tunnel: TunnelTest | None = None  # named in this branch, and not entered yet
    entered: bool = False  # the view lies within a tunnel named in this branch

    def after(self, node: TunnelTest) -> _Scope:
        """Return the scope of the terms that `and` joins to a tunnel that holds."""
        if node.tunnel is Tunnel.PPPOED:
            return self
        if node.tunnel is Tunnel.VLAN:
            return replace(self, view=carried(self.view, node))
        if node.tunnel in SHIFTING:
            return _Scope(carried(self.view, node), None, entered=True)
        return replace(self, tunnel=node, entered=False)


class _Asker:
    """Answers for one environment."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def ask(self, expr: Expr, scope: _Scope) -> bool:
        """Whether the packet matches `expr` in a scope."""
        if isinstance(expr, Not):
            return not self.ask(expr.operand, scope)
        if isinstance(expr, Chain):
            return self._chain(expr, scope)
        if isinstance(expr, Inner):
            return self._inner(expr, scope)
        if isinstance(expr, TunnelTest):
            return holds(scope.view, expr)
        return self._test(expr, scope.view)

    def _chain(self, chain: Chain, outer: _Scope) -> bool:
        """From the left, `and` and `or` alike."""
        scope = outer
        result = self.ask(chain.first, scope)
        if result and isinstance(chain.first, TunnelTest):
            scope = scope.after(chain.first)
        for op, term in chain.rest:
            if op is BoolOp.OR:
                scope = outer
                result = result or self.ask(term, scope)
            elif result:
                result = self.ask(term, scope)
                if result and isinstance(term, TunnelTest):
                    scope = scope.after(term)
        return result

    def _inner(self, node: Inner, scope: _Scope) -> bool:
        if scope.entered:
            return self.ask(node.expr, _Scope(replace(scope.view, tags=0)))
        if scope.tunnel is not None:
            return self.ask(node.expr, _Scope(carried(scope.view, scope.tunnel)))
        for kind in ANY:
            tunnel = TunnelTest(kind, None, node.span)
            if holds(scope.view, tunnel):
                return self.ask(node.expr, _Scope(carried(scope.view, tunnel)))
        return False

    def _test(self, node: nodes.Test, view: View) -> bool:
        match node:
            case nodes.Primitive():
                return primitive(view, node)
            case nodes.Keyword():
                return keyword(view, node.proto)
            case nodes.Relation():
                return relation(view, node)
            case nodes.Broadcast():
                return broadcast(view, node.proto, self._env.netmask)
            case nodes.Multicast():
                return multicast(view, node.proto)
            case nodes.LengthLimit():
                return view.length >= node.value if node.greater else view.length <= node.value
            case nodes.ByteTest():
                return byte_test(view, node)
            case nodes.Inbound():
                return direction(view) is node.outbound
            case nodes.IfIndex():
                return interface(view) == node.value
            case nodes.Llc():
                return llc(view, node.kind)
            case nodes.TcpFlags():
                found = ip_of(view)
                if found is None or found.protocol != 6 or not found.whole:
                    return False
                flags = view.read(found.transport + 13, 1)
                return flags & node.set == node.set and not flags & node.clear
            case nodes.PayloadStarts():
                return _starts(view, node.prefix)
            case nodes.Fragment():
                return _fragment(view, node.kind)
        raise AssertionError(node)


def _starts(view: View, prefix: bytes) -> bool:
    if not has_payload(view):
        return False
    at = payload_at(view)
    while prefix:
        width = next(width for width in (4, 2, 1) if width <= len(prefix))
        if view.read(at, width) != int.from_bytes(prefix[:width], "big"):
            return False
        at, prefix = at + width, prefix[width:]
    return True


def _fragment(view: View, kind: FragmentKind) -> bool:
    found = ip_of(view)
    if found is None:
        return False
    if kind is FragmentKind.ANY:
        return found.more or found.offset > 0
    return found.offset > 0 if kind is FragmentKind.LATER else found.more and found.offset == 0
