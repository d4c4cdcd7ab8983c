"""Merge neighbouring alternatives into sets: `host a or host b` is `host in {a, b}`.

Exclusions as well: `not host a and not host b` is `not host in {a, b}`.

A rewriting of the tree before it is lowered, for both dialects. It changes no verdict, not even on
cut-off packets: only terms are merged that stand next to each other in one chain, joined by `or`
(where each is negated: by `and`), that have the same qualifiers, and whose sets keep the order of
loads (see common.sets). That makes a thousand hosts one table. Not merged: `src and dst`, which is
asked of each element by itself, and IPv6 addresses of either direction (see common.sets6).
Depends on expr.nodes.
"""

from __future__ import annotations

from netbpf.expr.listing import Listing
from netbpf.expr.nodes import (
    AddressSet,
    BoolOp,
    Chain,
    Direction,
    Expr,
    Identifier,
    Inner,
    IPv4,
    IPv6,
    Kind,
    Mac,
    Not,
    Number,
    PortRange,
    Primitive,
)
from netbpf.records import replace


def merge_alternatives(expr: Expr) -> Expr:
    """Return `expr` with neighbouring alternatives merged. Iterative over nesting."""
    done: list[Expr] = []
    todo: list[tuple[Expr, bool]] = [(expr, False)]
    while todo:
        node, operands_done = todo.pop()
        if not isinstance(node, Not | Chain | Inner):
            done.append(node)
        elif not operands_done:
            todo.append((node, True))
            todo.extend((operand, False) for operand in reversed(_operands(node)))
        elif isinstance(node, Not):
            done.append(replace(node, operand=done.pop()))
        elif isinstance(node, Inner):
            done.append(replace(node, expr=done.pop()))
        else:
            first = len(done) - len(node.rest) - 1
            terms = done[first:]
            del done[first:]
            done.append(_merged(node, terms))
    return done.pop()


def _operands(node: Not | Chain | Inner) -> list[Expr]:
    if isinstance(node, Not):
        return [node.operand]
    if isinstance(node, Inner):
        return [node.expr]
    return [node.first, *(term for _, term in node.rest)]


def _merged(chain: Chain, terms: list[Expr]) -> Expr:
    """Return the chain over `terms`, runs of alternatives and of exclusions merged."""
    joins: list[BoolOp | None] = []  # None: what comes first
    runs: list[list[Expr]] = []
    for term, join in zip(terms, (None, *(op for op, _ in chain.rest)), strict=True):
        if join and joins[-1] in (None, join) and _mergeable(join, runs[-1][-1], term):
            runs[-1].append(term)
        else:
            joins.append(join)
            runs.append([term])
    first, *others = (_set(run) for run in runs)
    rest = tuple((join, term) for join, term in zip(joins[1:], others, strict=True) if join)
    return replace(chain, first=first, rest=rest) if rest or len(terms) == 1 else first


def _mergeable(join: BoolOp, one: Expr, other: Expr) -> bool:
    """Whether two neighbouring terms can be one: a set, or a negated set."""
    if join is BoolOp.OR:
        return _alike(one, other)
    return isinstance(one, Not) and isinstance(other, Not) and _alike(one.operand, other.operand)


def _alike(one: Expr, other: Expr) -> bool:
    """Whether two neighbouring alternatives can be one set."""
    return (
        isinstance(one, Primitive)
        and isinstance(other, Primitive)
        and one.quals == other.quals
        and one.quals.direction is not Direction.AND
        and _fits(one)
        and _fits(other)
    )


def _fits(node: Primitive) -> bool:
    """Whether an identifier keeps its meaning as an element."""
    ident, kind, direction = node.ident, node.quals.kind, node.quals.direction
    if isinstance(ident, AddressSet) and isinstance(ident.elements, Listing):
        return True
    if kind in (Kind.PORT, Kind.PORTRANGE):
        return isinstance(ident, Number | PortRange)
    if kind not in (None, Kind.HOST, Kind.NET):
        return False
    one_way = direction in (Direction.SRC, Direction.DST)
    return isinstance(ident, IPv4 | Mac) or (isinstance(ident, IPv6) and one_way)


def _set(run: list[Expr]) -> Expr:
    """Return one term for a run."""
    first = run[0]
    if isinstance(first, Not) and len(run) > 1:
        excluded = _set([term.operand for term in run if isinstance(term, Not)])
        return Not(excluded, first.span.cover(run[-1].span))
    if len(run) == 1 or not isinstance(first, Primitive):
        return first
    elements: list[Identifier] = []
    for term in run:
        if isinstance(term, Primitive):
            ident = term.ident
            elements += ident.elements if isinstance(ident, AddressSet) else (ident,)
    span = first.span.cover(run[-1].span)
    return replace(first, ident=AddressSet(tuple(elements), span), span=span)
