"""DECnet phase IV addresses: `decnet host AREA.NODE`.

On Ethernet a message begins with its length (two bytes, which is skipped), perhaps one byte of
padding (0x81), then the flags, whose low bits tell the short header from the long one. Addresses
are little-endian. Source: DECnet Digital Network Architecture, routing layer specification 2.0.0.
Depends on lower.layers and common.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr.lower.common.linktypes import link_protocol_is
from netbpf.expr.lower.common.tests import every, field_is, some
from netbpf.expr.lower.common.words import check_direction
from netbpf.expr.lower.layers import Layers, Test
from netbpf.expr.nodes import Direction
from netbpf.proto.ethertype import EtherType

_FLAGS = 2  # where padding or flags begin
_PADDING = 0x81
_SHORT, _LONG, _FORMAT = 0x02, 0x06, 0x07

_OFFSETS = {Direction.DST: (1, 7), Direction.SRC: (3, 15)}
"""Of the address behind the flags, in the short and in the long header."""


def decnet_is(layers: Layers, address: int, direction: Direction | None, span: Span) -> Test:
    """Return the test for a 16-bit DECnet address (area in the upper six bits)."""
    check_direction(layers, direction, span)
    swapped = (address & 0xFF) << 8 | address >> 8
    if direction in (Direction.SRC, Direction.DST):
        found = _address_is(layers, swapped, direction)
    else:
        ends = (
            _address_is(layers, swapped, Direction.SRC),
            _address_is(layers, swapped, Direction.DST),
        )
        join = every if direction is Direction.AND else some
        found = join(layers.builder, *ends)
    return every(layers.builder, link_protocol_is(layers, EtherType.DECNET, span), found)


def _address_is(layers: Layers, swapped: int, direction: Direction | None) -> Test:
    assert direction is not None
    short, long = _OFFSETS[direction]
    return some(
        layers.builder,
        _with_flags(layers, _SHORT, swapped, short, padded=False),
        _with_flags(layers, _SHORT, swapped, short, padded=True),
        _with_flags(layers, _LONG, swapped, long, padded=False),
        _with_flags(layers, _LONG, swapped, long, padded=True),
    )


def _with_flags(layers: Layers, form: int, swapped: int, offset: int, *, padded: bool) -> Test:
    """Compare the flags, then the address."""
    if padded:
        flags = field_is(layers, layers.network, _FLAGS, 2, _PADDING << 8 | form, 0xFF00 | _FORMAT)
    else:
        flags = field_is(layers, layers.network, _FLAGS, 1, form, _FORMAT)
    at = _FLAGS + padded + offset
    return every(layers.builder, flags, field_is(layers, layers.network, at, 2, swapped))


def decnet_address(text: str) -> int | None:
    """Return the 16-bit address that `AREA.NODE` (0..63, 0..1023) spells, None if it is not one."""
    area, dot, node = text.partition(".")
    if not dot or not (text.isascii() and area.isdecimal() and node.isdecimal()):
        return None
    area, node = area.lstrip("0") or "0", node.lstrip("0") or "0"
    if len(area) > 2 or len(node) > 4 or int(area) > 63 or int(node) > 1023:
        return None
    return int(area) << 10 | int(node)
