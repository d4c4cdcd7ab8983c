"""Rewrite the tests of an expression, without recursion.

Depends on nodes only.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.expr.nodes import Chain, Expr, Inner, Not, Test


def rewrite(expr: Expr, change: Callable[[Test], Test]) -> Expr:
    """Return `expr` with every test replaced by `change(test)`, from left to right.

    Parts in which nothing changes are kept as they are. Inner expressions are visited, too.
    """
    results: list[Expr] = []
    todo: list[tuple[Expr, bool]] = [(expr, False)]
    while todo:
        node, ready = todo.pop()
        match node:
            case Chain():
                if not ready:
                    todo.append((node, True))
                    todo += [(term, False) for _, term in reversed(node.rest)]
                    todo.append((node.first, False))
                    continue
                size = 1 + len(node.rest)
                terms = results[-size:]
                del results[-size:]
                results.append(_chain(node, terms))
            case Not() | Inner():
                if not ready:
                    todo += [(node, True), (_content(node), False)]
                    continue
                content = results.pop()
                results.append(node if content is _content(node) else _around(node, content))
            case _:
                results.append(change(node))
    return results[0]


def _content(node: Not | Inner) -> Expr:
    return node.operand if isinstance(node, Not) else node.expr


def _around(node: Not | Inner, content: Expr) -> Expr:
    return Not(content, node.span) if isinstance(node, Not) else Inner(content, node.span)


def _chain(node: Chain, terms: list[Expr]) -> Chain:
    if terms[0] is node.first and all(
        new is old for new, (_, old) in zip(terms[1:], node.rest, strict=True)
    ):
        return node
    rest = tuple((op, new) for (op, _), new in zip(node.rest, terms[1:], strict=True))
    return Chain(terms[0], rest, node.span)
