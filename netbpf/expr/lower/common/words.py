"""Complaints about qualifiers and what they qualify, in the words that users of libpcap know."""

from __future__ import annotations

from netbpf.errors import ExpressionError, Span
from netbpf.expr.lower.common.tests import refuse
from netbpf.expr.lower.layers import Layers
from netbpf.expr.nodes import (
    ArcnetAddress,
    Direction,
    EtherName,
    Identifier,
    Kind,
    Mac,
    Proto,
    Qualifiers,
)
from netbpf.proto.linktype import LinkType

_INTERNET = (None, Direction.SRC, Direction.DST, Direction.OR, Direction.AND)

_DESCRIPTIONS = {
    LinkType.NULL: "BSD loopback",
    LinkType.EN10MB: "Ethernet",
    LinkType.PPP: "PPP",
    LinkType.RAW: "Raw IP",
    LinkType.LOOP: "OpenBSD loopback",
    LinkType.LINUX_SLL: "Linux cooked v1",
    LinkType.IPV4: "Raw IPv4",
    LinkType.IPV6: "Raw IPv6",
    LinkType.LINUX_SLL2: "Linux cooked v2",
}


def check_direction(layers: Layers, direction: Direction | None, span: Span) -> None:
    """Refuse `addr1`, `ra` … where there is no 802.11 header."""
    if direction not in _INTERNET:
        assert direction is not None
        raise refuse(layers, f"'{direction.value}' is valid for 802.11 syntax only", span)


def invalid_qualifier(layers: Layers, word: str, context: str, span: Span) -> ExpressionError:
    """Return the error for a qualifier that makes no sense before its identifier."""
    return refuse(layers, f"'{word}' is not a valid qualifier for '{context}'", span)


def not_on_linktype(layers: Layers, keyword: str, span: Span) -> ExpressionError:
    """Return the error for a primitive that the link type does not have."""
    return refuse(layers, f"'{keyword}' not supported on {dlt(layers.linktype)}", span)


def dlt(linktype: LinkType) -> str:
    """Return a link type's name as libpcap writes it."""
    return f"DLT_{linktype.name} ({_DESCRIPTIONS[linktype]})"


def check_ether(layers: Layers, element: Mac | EtherName, quals: Qualifiers) -> None:
    """Refuse an Ethernet address that is not the host's of a link-layer primitive."""
    if quals.proto is not Proto.LINK or quals.kind not in (None, Kind.HOST):
        raise refuse(layers, "Ethernet address used in non-ether expression", element.span)


def arcnet(layers: Layers, element: ArcnetAddress, quals: Qualifiers) -> ExpressionError:
    """Return the error for `$XX`, an address of a link type that is not known here."""
    check_direction(layers, quals.direction, element.span)
    if quals.kind not in (None, Kind.HOST):
        assert quals.kind is not None
        return invalid_qualifier(layers, quals.kind.value, "$XX", element.span)
    if quals.proto is not Proto.LINK:
        message = "'link' is the only valid proto qualifier for 'host $XX'"
        return refuse(layers, message, element.span)
    return not_on_linktype(layers, "link host $XX", element.span)


def wrong_kind(layers: Layers, element: Identifier, quals: Qualifiers) -> ExpressionError:
    """Return the error for an identifier that its kind cannot have."""
    if isinstance(element, ArcnetAddress):
        return arcnet(layers, element, quals)
    if isinstance(element, Mac | EtherName):
        return refuse(layers, "Ethernet address used in non-ether expression", element.span)
    word = quals.kind.value if quals.kind else "host"
    shown = layers.env.text[element.span.start : element.span.end]
    return invalid_qualifier(layers, word, shown, element.span)
