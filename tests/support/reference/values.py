"""Arithmetic, and what `proto[…]` stands for."""

from __future__ import annotations

from netbpf.expr.nodes import (
    Arith,
    Binary,
    HeaderField,
    Length,
    Negate,
    Num,
    PacketBytes,
    Proto,
    Relation,
)
from tests.support.reference.headers import (
    UndecidableError,
    View,
    ip_of,
    network_of,
    version_of,
)
from tests.support.reference.links import LINK_WORDS, carries

U32 = 0xFFFFFFFF
TRANSPORTS = {  # number, IP versions in which `proto[…]` finds it
    Proto.TCP: (6, (4, 6)),
    Proto.UDP: (17, (4, 6)),
    Proto.ICMP6: (58, (6,)),
    Proto.SCTP: (132, (4,)),
    Proto.ICMP: (1, (4,)),
    Proto.IGMP: (2, (4,)),
    Proto.IGRP: (9, (4,)),
    Proto.PIM: (103, (4,)),
    Proto.VRRP: (112, (4,)),
    Proto.CARP: (112, (4,)),
}


def relation(view: View, node: Relation) -> bool:
    """Whether a relation holds: first all headers that it names must be there."""
    for side in (node.left, node.right):
        for operand in _operands(side):
            if not _present(view, operand):
                return False
    left, right = value(view, node.left), value(view, node.right)
    return {
        "=": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }[node.op.value]


def _operands(node: Arith) -> list[PacketBytes | HeaderField]:
    if isinstance(node, Binary):
        return _operands(node.left) + _operands(node.right)
    if isinstance(node, Negate):
        return _operands(node.operand)
    if isinstance(node, PacketBytes):
        return [*_operands(node.index), node]
    return [node] if isinstance(node, HeaderField) else []


def _present(view: View, node: PacketBytes | HeaderField) -> bool:
    if isinstance(node, HeaderField):
        return version_of(view) is not None
    if node.proto is Proto.LINK:
        return True
    if node.proto is None:
        return has_payload(view)
    if node.proto in TRANSPORTS:
        number, versions = TRANSPORTS[node.proto]
        if version_of(view) not in versions:
            return False
        found = ip_of(view)
        return found is not None and found.protocol == number and found.whole
    return carries(view, LINK_WORDS[node.proto])


def has_payload(view: View) -> bool:
    """Whether there is TCP, UDP or SCTP, and no later fragment of it."""
    found = ip_of(view)
    return found is not None and found.protocol in (6, 17, 132) and found.whole


def payload_at(view: View) -> int:
    """Return where the bytes behind the transport header begin; there is one."""
    found = ip_of(view)
    assert found is not None
    if found.protocol == 6:
        return found.transport + 4 * (view.read(found.transport + 12, 1) >> 4)
    return found.transport + (8 if found.protocol == 17 else 12)


def value(view: View, node: Arith) -> int:
    """Compute; the headers are there."""
    if isinstance(node, Num):
        return node.value & U32
    if isinstance(node, Length):
        return view.length
    if isinstance(node, HeaderField):
        return _field(view, node.name)
    if isinstance(node, Negate):
        return -value(view, node.operand) & U32
    if isinstance(node, Binary):
        left, right = value(view, node.left), value(view, node.right)
        return compute(node.op.value, left, right)
    index = value(view, node.index)
    at = (_start(view, node) + index) & U32
    if at < _floor(view, node):
        raise UndecidableError
    return view.read(at, node.size)


def compute(op: str, a: int, b: int) -> int:
    """Unsigned 32-bit arithmetic."""
    if op in "/%":
        if b == 0:
            raise UndecidableError
        return a // b if op == "/" else a % b
    if op in ("<<", ">>"):
        if b > 31:
            return 0
        return (a << b if op == "<<" else a >> b) & U32
    return {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b}[op] & U32


def _start(view: View, node: PacketBytes) -> int:
    if node.proto is Proto.LINK:
        return view.start
    if node.proto is None:
        return payload_at(view)
    if node.proto in TRANSPORTS:
        found = ip_of(view)
        assert found is not None
        return found.transport
    return network_of(view)


def _floor(view: View, node: PacketBytes) -> int:
    """Return the first byte that an index below zero can lead to."""
    return network_of(view) if node.proto in TRANSPORTS else _start(view, node)


def _field(view: View, name: str) -> int:
    at = network_of(view)
    if version_of(view) == 4:
        return view.read(at + 8, 1) if name == "ttl" else view.read(at + 1, 1) >> 2
    return view.read(at + 7, 1) if name == "ttl" else (view.read(at, 2) >> 6) & 0x3F
