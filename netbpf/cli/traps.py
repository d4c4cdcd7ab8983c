"""Warnings of `netbpf explain`: where an expression may mean something else than its author thinks.

Each trap is a function from the resolved tree to what there is to say, if anything.
Depends on expr.nodes, cli.words.
"""

from __future__ import annotations

from collections.abc import Iterator

from netbpf.cli.words import everything, written
from netbpf.expr.nodes import (
    BoolOp,
    Chain,
    Dialect,
    Expr,
    Keyword,
    Kind,
    Not,
    PacketBytes,
    Primitive,
    Proto,
    Relation,
    Tunnel,
    TunnelTest,
)

_TRANSPORTS = (Proto.TCP, Proto.UDP, Proto.SCTP, Proto.ICMP6)
_PORTS = (Kind.PORT, Kind.PORTRANGE)
_SHIFTING = (Tunnel.VLAN, Tunnel.MPLS, Tunnel.PPPOES, Tunnel.GENEVE, Tunnel.VXLAN)


def warnings(expr: Expr | None, text: str, dialect: Dialect) -> list[str]:
    """Return what the author should know, without repetition."""
    found = [*_precedence(expr, text), *_ports(expr), *_negated_ports(expr), *_arp(expr)]
    if dialect is Dialect.PCAP:
        found += [*_shifts(expr, text), *_extension_headers(expr), *_untagged(expr)]
    else:
        found += _scope(expr, text)
    return list(dict.fromkeys(found))


def _precedence(expr: Expr | None, text: str) -> Iterator[str]:
    for node in everything(expr):
        if isinstance(node, Chain):
            operators = [op for op, _ in node.rest]
            if BoolOp.OR in operators and BoolOp.AND in operators[operators.index(BoolOp.OR) :]:
                yield (
                    f"`{written(node.span, text)}`: `and` and `or` bind alike, from the left: "
                    "`a or b and c` is `(a or b) and c`"
                )


def _ports(expr: Expr | None) -> Iterator[str]:
    if any(_asks_port(node) for node in everything(expr)):
        yield "later fragments of a packet carry no port: `port` never matches them"


def _negated_ports(expr: Expr | None) -> Iterator[str]:
    for node in everything(expr):
        if isinstance(node, Not) and any(_asks_port(inner) for inner in everything(node)):
            yield (
                "`not port` matches whatever has no port (ARP, ICMP, later fragments), but not a "
                "packet that was cut off before its port: that matches neither way"
            )


def _arp(expr: Expr | None) -> Iterator[str]:
    for node in everything(expr):
        if (
            isinstance(node, Primitive)
            and node.quals.proto is None
            and node.quals.kind in (None, Kind.HOST, Kind.NET)
        ):
            yield "`host` and `net` match ARP and RARP packets too; `ip host` does not"


def _shifts(expr: Expr | None, text: str) -> Iterator[str]:
    for node in everything(expr):
        if isinstance(node, TunnelTest) and node.tunnel in _SHIFTING:
            yield (
                f"`{written(node.span, text)}` moves the offsets of everything to its right, "
                "behind `or` and outside of parentheses too (libpcap's way)"
            )


def _extension_headers(expr: Expr | None) -> Iterator[str]:
    for node in everything(expr):
        if _asks_port(node) or (isinstance(node, Keyword) and node.proto in _TRANSPORTS):
            yield "IPv6 packets with extension headers do not match (libpcap's way)"
        if isinstance(node, Relation) and any(
            isinstance(side, PacketBytes) and side.proto in _TRANSPORTS
            for side in (node.left, node.right)
        ):
            yield "`tcp[…]` and its like look at IPv4 only (libpcap's way)"


def _untagged(expr: Expr | None) -> Iterator[str]:
    tests = [node for node in everything(expr) if not isinstance(node, (Chain, Not))]
    tagged = any(isinstance(node, TunnelTest) and node.tunnel is Tunnel.VLAN for node in tests)
    if tests and not tagged:
        yield "frames with a VLAN tag are not looked into without `vlan` (libpcap's way)"


def _scope(expr: Expr | None, text: str) -> Iterator[str]:
    """Tunnels look inside to the end of their parenthesis; one alone in it has no effect."""
    for node in everything(expr):
        if not isinstance(node, Chain):
            continue
        for term in (node.first, *(other for _, other in node.rest)):
            if isinstance(term, Chain) and not term.rest and _tunnels(term.first):
                yield (
                    f"`{written(term.span, text)}`: what follows the parenthesis looks at the "
                    "outer packet again"
                )


def _tunnels(node: Expr) -> bool:
    return (
        isinstance(node, TunnelTest) and node.tunnel in _SHIFTING and node.tunnel is not Tunnel.VLAN
    )


def _asks_port(node: Expr) -> bool:
    return isinstance(node, Primitive) and node.quals.kind in _PORTS
