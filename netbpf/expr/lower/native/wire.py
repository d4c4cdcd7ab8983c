"""Bytes of the frame as it was on the wire, where the hook may hold its outermost VLAN tag.

Each load asks whether the hook does, and joins both answers. Depends on lower.frame.
"""

from __future__ import annotations

from netbpf.expr.lower.frame import TAG_START, Frame
from netbpf.ir.builder import Builder
from netbpf.ir.program import Cmp, MetaField, Reg


class WireBytes:
    """Loads from the start of an Ethernet frame at a hook that strips tags."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._whole = Frame(builder)
        self._stripped = Frame(builder, stripped=True)

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load `width` bytes at base + offset of the frame with its tag."""
        if base is None and offset + width <= TAG_START:
            return self._whole.load(base, offset, width)
        builder = self._builder
        join = builder.name(f"frame[{base or ''}+{offset}:{width}]")
        if builder.assigned(join):
            return join
        beside, inline, done = builder.label(), builder.label(), builder.label()
        builder.branch(Cmp.EQ, builder.meta(MetaField.VLAN_PRESENT), 1, beside, inline)
        builder.place(beside)
        builder.copy(join, self._stripped.load(base, offset, width))
        builder.jump(done)
        builder.place(inline)
        builder.copy(join, self._whole.load(base, offset, width))
        builder.place(done)
        return join
