"""LLC frames: `llc`, `llc s`, `llc rnr` … (IEEE 802.2, 5.2 and 5.4).

Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.expr.lower.common.linktypes import is_length
from netbpf.expr.lower.common.tests import every, field_is, negated, refuse
from netbpf.expr.lower.common.words import not_on_linktype
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Llc
from netbpf.proto.linktype import LinkType
from netbpf.proto.llc import (
    CONTROL_OFFSET,
    FORMAT_MASK,
    FORMATS,
    SUPERVISORY,
    SUPERVISORY_MASK,
    UNNUMBERED,
    UNNUMBERED_MASK,
)


def llc(layers: Layers, node: Llc) -> Test:
    """Return the test for an LLC frame of a kind. Raises ExpressionError on other link types."""
    if layers.linktype is not LinkType.EN10MB:
        raise not_on_linktype(layers, "llc", node.span)
    novell = field_is(layers, layers.payload, 0, 2, 0xFFFF)
    frame = every(layers.builder, is_length(layers), negated(novell))
    if not node.kind:
        return frame
    value, mask = _control(layers, node)
    return every(
        layers.builder, frame, field_is(layers, layers.payload, CONTROL_OFFSET, 1, value, mask)
    )


def _control(layers: Layers, node: Llc) -> tuple[int, int]:
    """Return value and mask of the first control byte."""
    kind = node.kind
    if kind == "i":
        return 0, 0x01
    for table, mask in (
        (FORMATS, FORMAT_MASK),
        (SUPERVISORY, SUPERVISORY_MASK),
        (UNNUMBERED, UNNUMBERED_MASK),
    ):
        if kind in table:
            return table[kind], mask
    raise refuse(layers, f'unknown LLC type name "{kind}"', node.span)
