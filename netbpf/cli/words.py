"""Say in English what an expression asks of a packet, and draw its tree.

Works on the resolved tree, so that a service name comes with its port. Nothing here recurses over
nesting. Depends on expr.nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netbpf.errors import Span
from netbpf.expr.nodes import (
    AddressSet,
    BoolOp,
    Broadcast,
    ByteTest,
    Chain,
    Direction,
    Expr,
    Fragment,
    FragmentKind,
    HostAddresses,
    Identifier,
    IfIndex,
    IfName,
    Inbound,
    Inner,
    Keyword,
    Kind,
    LengthLimit,
    Llc,
    Multicast,
    Name,
    Not,
    PayloadStarts,
    PortRange,
    Primitive,
    Proto,
    ProtoNumber,
    Relation,
    RelOp,
    TcpFlags,
    Test,
    Tunnel,
    TunnelTest,
    Unsupported,
)

_RELATIONS = {
    RelOp.EQ: "is", RelOp.NE: "is not", RelOp.LT: "is less than", RelOp.LE: "is at most",
    RelOp.GT: "is more than", RelOp.GE: "is at least",
}  # fmt: skip

_DIRECTIONS = {
    None: "source or destination",
    Direction.SRC: "source",
    Direction.DST: "destination",
    Direction.OR: "source or destination",
    Direction.AND: "source and the destination",
}

_FRAGMENTS = {
    FragmentKind.ANY: "it is a fragment",
    FragmentKind.FIRST: "it is the first of several fragments",
    FragmentKind.LATER: "it is a fragment, but not the first",
}

_TUNNELS = {
    Tunnel.VLAN: ("a VLAN tag", "VLAN id"),
    Tunnel.MPLS: ("an MPLS label", "label"),
    Tunnel.PPPOED: ("a PPPoE discovery header", "session"),
    Tunnel.PPPOES: ("a PPPoE session header", "session"),
    Tunnel.GENEVE: ("a Geneve header", "VNI"),
    Tunnel.VXLAN: ("a VXLAN header", "VNI"),
    Tunnel.GRE: ("a GRE header", "key"),
    Tunnel.IPIP: ("an IP header within an IP packet", ""),
    Tunnel.GTP: ("a GTP-U header", "TEID"),
}


class Row(NamedTuple):
    """A line of the tree: how deep it is, what it is, and the text that it came from."""

    depth: int
    label: str
    span: Span


def in_words(expr: Expr | None, text: str) -> str:
    """Return what `expr`, parsed from `text`, asks for, as one clause after "when"."""
    if expr is None:
        return "always: an empty expression matches every packet"
    said: list[str] = []
    todo: list[Expr | str] = [expr]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            said.append(item)
        elif isinstance(item, Chain):
            todo.extend(reversed(_chain(item)))
        elif isinstance(item, Not):
            todo.extend((")", item.operand, "not ("))
        elif isinstance(item, Inner):
            todo.extend((")", item.expr, "of the packet inside ("))
        else:
            said.append(phrase(item, text))
    return "".join(said)


def tree(expr: Expr | None, text: str) -> Iterator[Row]:
    """Yield the rows of the tree, parents first."""
    todo: list[tuple[int, Expr]] = [] if expr is None else [(0, expr)]
    while todo:
        depth, item = todo.pop()
        yield Row(depth, _label(item, text), item.span)
        todo.extend((depth + 1, child) for child in reversed(children(item)))


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the expressions directly beneath one."""
    if isinstance(expr, Chain):
        return (expr.first, *(term for _, term in expr.rest))
    if isinstance(expr, Not):
        return (expr.operand,)
    return (expr.expr,) if isinstance(expr, Inner) else ()


def everything(expr: Expr | None) -> Iterator[Expr]:
    """Yield `expr` and all beneath it."""
    todo = [] if expr is None else [expr]
    while todo:
        item = todo.pop()
        yield item
        todo.extend(reversed(children(item)))


def written(span: Span, text: str) -> str:
    """Return the user's own words, in one line."""
    return " ".join(text[span.start : span.end].split())


def _chain(chain: Chain) -> list[Expr | str]:
    """Show by parentheses that `and` and `or` bind alike, from the left."""
    said: list[Expr | str] = _group(chain.first)
    previous: BoolOp | None = None
    opened = 0
    for op, term in chain.rest:
        if previous not in (None, op):
            said.append(")")
            opened += 1
        said += [f" {op.value} ", *_group(term)]
        previous = op
    return ["(" * opened, *said]


def _group(term: Expr) -> list[Expr | str]:
    return ["(", term, ")"] if isinstance(term, Chain) else [term]


def _label(item: Expr, text: str) -> str:
    if isinstance(item, Chain):
        operators = [op.value for op, _ in item.rest]
        return " then ".join(dict.fromkeys(operators)) if operators else "parenthesis"
    if isinstance(item, Not):
        return "not"
    if isinstance(item, Inner):
        return "inner"
    return phrase(item, text)


# -- tests -----------------------------------------------------------------------------------------


def phrase(test: Test, text: str) -> str:
    """Return what one test asks for."""
    match test:
        case Primitive():
            return _primitive(test, text)
        case Keyword(proto):
            return f"it is {_protocol(proto)}"
        case Relation(op, left, right):
            a, b = written(left.span, text), written(right.span, text)
            return f"{a} {_RELATIONS[op]} {b}"
        case Broadcast(proto):
            return f"it is sent to the {_layer(proto)} broadcast address"
        case Multicast(proto):
            return f"it is sent to {_article(_layer(proto))} multicast address"
        case LengthLimit(greater, value):
            return f"it is at {'least' if greater else 'most'} {value} bytes long on the wire"
        case ByteTest(offset, op, value):
            return f"byte {offset} {op} {value}"
        case Inbound(outbound):
            return "this host sends it" if outbound else "this host receives it"
        case IfIndex() | IfName():
            return f"it passes {written(test.span, text)}"
        case TunnelTest():
            return _tunnel(test, text)
        case Llc(kind):
            return f"it is an LLC frame{f' of type {kind}' if kind else ''}"
        case Unsupported(_, keyword):
            return keyword
        case TcpFlags(set_, clear):
            return _flags(set_, clear)
        case PayloadStarts(prefix):
            return f"its payload starts with {prefix!r}"
        case Fragment(kind):
            return _FRAGMENTS[kind]
    raise AssertionError(f"unknown test {test}")


def _primitive(test: Primitive, text: str) -> str:
    quals, ident = test.quals, _identifier(test.ident, text)
    side = _DIRECTIONS.get(quals.direction, str(quals.direction and quals.direction.value))
    verb = "is in" if isinstance(test.ident, AddressSet) else "is"
    match quals.kind:
        case Kind.PORT | Kind.PORTRANGE:
            transport = _protocol(quals.proto) if quals.proto else "TCP, UDP or SCTP"
            verb = "is in" if quals.kind is Kind.PORTRANGE else verb
            return f"the {transport} {side} port {verb} {ident}"
        case Kind.NET:
            return f"the {_layer(quals.proto)} {side} address is in {ident}".replace("  ", " ")
        case Kind.PROTO:
            return f"the {_layer(quals.proto) or 'IP'} protocol {verb} {ident}"
        case Kind.PROTOCHAIN:
            return f"the chain of headers has protocol {ident}"
        case Kind.GATEWAY:
            return f"it passes through gateway {ident}, which is neither its sender nor receiver"
    return f"the {_layer(quals.proto)} {side} address {verb} {ident}".replace("  ", " ")


def _identifier(ident: Identifier, text: str) -> str:
    own = written(ident.span, text).removeprefix("in ")  # of a set
    match ident:
        case PortRange(low=low, high=high):
            numbers = str(low) if low == high else f"{low}-{high}"
            return own if own == numbers or not own.isalpha() else f"{own} ({numbers})"
        case ProtoNumber(value=value):
            return f"{own} ({value})"
        case HostAddresses(text=name, ipv4=v4, ipv6=v6):
            return f"{name} ({len(v4) + len(v6)} addresses)"
        case Name(text=name):
            return name
    return own


def _tunnel(test: TunnelTest, text: str) -> str:
    what, number = _TUNNELS[test.tunnel]
    said = f"it has {what}"
    if test.ident is not None:
        said += f" with {number} {test.ident}"
    elif test.members:
        said += f" with {number} in {written(test.span, text).partition('in')[2].strip()}"
    return said + (f" on UDP port {test.port}" if test.port is not None else "")


def _flags(wanted: int, unwanted: int) -> str:
    names = ("fin", "syn", "rst", "push", "ack", "urg", "ece", "cwr")
    on = [name for bit, name in enumerate(names) if wanted >> bit & 1]
    off = [name for bit, name in enumerate(names) if unwanted >> bit & 1]
    parts = [f"{' and '.join(on)} set"] * bool(on) + [f"{' and '.join(off)} clear"] * bool(off)
    return f"it is a TCP segment with {', '.join(parts)}"


def _protocol(proto: Proto) -> str:
    return {Proto.IP: "IPv4", Proto.IP6: "IPv6", Proto.ICMP6: "ICMPv6"}.get(
        proto, proto.value.upper()
    )


def _layer(proto: Proto | None) -> str:
    if proto is None:
        return ""
    return "link-layer" if proto is Proto.LINK else _protocol(proto)


def _article(word: str) -> str:
    return f"{'an' if word[:1] in 'AEIOaeio' else 'a'} {word}"
