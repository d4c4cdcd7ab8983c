"""A persistent map from small integers: a changed copy shares all else with the original.

What is known at a place of a program grows along its paths, and every block starts from what is
known before it. Copies of a dict would make that quadratic; here a change takes four short lists,
and to merge two maps takes time for their differences only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

V = TypeVar("V")

_BITS = 4
_FAN = 1 << _BITS
_LEVELS = 4
CAPACITY = 1 << _BITS * _LEVELS

_Node = list[Any]  # of nodes, or on the last level of values; None is "nothing there"


class Trie(Generic[V]):
    """An immutable map of integers below CAPACITY to values that are not None."""

    __slots__ = ("_root",)

    def __init__(self, root: _Node | None = None) -> None:
        self._root = root

    def get(self, key: int) -> V | None:
        """Return the value, or None."""
        node: Any = self._root
        for shift in _SHIFTS:
            if node is None:
                return None
            node = node[key >> shift & _FAN - 1]
        value: V | None = node
        return value

    def set(self, key: int, value: V) -> Trie[V]:
        """Return a map with one entry changed."""
        root = _copy(self._root)
        node = root
        for shift in _SHIFTS[:-1]:
            index = key >> shift & _FAN - 1
            node[index] = _copy(node[index])
            node = node[index]
        node[key & _FAN - 1] = value
        return Trie(root)

    def merge(self, other: Trie[V], combine: Callable[[V, V], V | None]) -> Trie[V]:
        """Return a map of the keys of both, to their values combined; None leaves one out."""
        if self._root is other._root:
            return self
        return Trie(_merge(self._root, other._root, _LEVELS, combine))


_SHIFTS = tuple(_BITS * level for level in reversed(range(_LEVELS)))


def _copy(node: _Node | None) -> _Node:
    return [None] * _FAN if node is None else node.copy()


def _merge(
    a: _Node | None, b: _Node | None, level: int, combine: Callable[[Any, Any], Any]
) -> _Node | None:
    """Merge two different nodes; whatever they share is taken as it is."""
    if a is None or b is None:
        return None
    if level == 1:
        return [
            x if x is y else None if x is None or y is None else combine(x, y)
            for x, y in zip(a, b, strict=True)
        ]
    return [x if x is y else _merge(x, y, level - 1, combine) for x, y in zip(a, b, strict=True)]
