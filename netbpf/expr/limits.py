"""Numbers that are too large for the field that they are compared with.

What depends on the link type is the lowering's. Depends on nodes only. Neighbour: resolve.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netbpf.errors import ExpressionError, Span
from netbpf.expr.nodes import (
    ByteTest,
    Kind,
    Number,
    Primitive,
    Proto,
    Qualifiers,
    Test,
    Tunnel,
    TunnelTest,
)

_TUNNELS: Final[Mapping[Tunnel, tuple[str, int]]] = {
    Tunnel.VLAN: ("VLAN tag", 0xFFF),  # IEEE 802.1Q §9.6
    Tunnel.MPLS: ("MPLS label", 0xFFFFF),  # RFC 3032 §2.1
    Tunnel.PPPOES: ("PPPoE session number", 0xFFFF),  # RFC 2516 §4
    Tunnel.GENEVE: ("Geneve VNI", 0xFFFFFF),  # RFC 8926 §3.4
    Tunnel.VXLAN: ("VXLAN VNI", 0xFFFFFF),  # RFC 7348 §5
}

_INTERNET: Final = (None, Proto.IP, Proto.IP6)
_WITH_PORTS: Final = (None, Proto.TCP, Proto.UDP, Proto.SCTP)


def check_limits(test: Test, text: str) -> None:
    """Raise ExpressionError for a number in `test` that its field cannot hold."""
    match test:
        case Primitive(quals, Number() as number):
            check_number(quals, number, text)
        case TunnelTest(tunnel, ident, span, members, port):
            if tunnel in _TUNNELS:
                what, most = _TUNNELS[tunnel]
                for value in (ident or 0, *(high for _, high in members)):
                    _check(what, value, most, span, text)
            _check("port number", port or 0, 0xFFFF, span, text)
        case ByteTest():
            _check("byte argument", test.value, 0xFF, test.span, text)


def check_number(quals: Qualifiers, number: Number, text: str) -> None:
    """Raise ExpressionError for a port or protocol number that is too large."""
    if quals.kind in (Kind.PORT, Kind.PORTRANGE) and quals.proto in _WITH_PORTS:
        _check("port number", number.value, 0xFFFF, number.span, text)
    elif quals.kind in (Kind.PROTO, Kind.PROTOCHAIN) and quals.proto in _INTERNET:
        _check("protocol number", number.value, 0xFF, number.span, text)


def _check(what: str, value: int, most: int, span: Span, text: str) -> None:
    if value > most:
        message = f"{what} {value} greater than maximum {most}"
        raise ExpressionError(message, text=text, span=span)
