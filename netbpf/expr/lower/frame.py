"""Loads at offsets of the frame as it was on the wire.

Where a hook holds the outermost VLAN tag beside the packet's bytes (skb hooks, Ethernet), the bytes
in the buffer lack the four of the tag: TPID and TCI at 12 and 14 (IEEE 802.1Q-2018, 9.3). Whoever
lowers an expression goes by the frame with its tag; this layer says where each byte really is, so
that an expression means the same at every hook. A program branches once on VLAN_PRESENT, and is
lowered with a `Frame` for either side.
Depends on ir.builder; knows nothing of expressions.
"""

from __future__ import annotations

from netbpf.ir.builder import Builder
from netbpf.ir.program import AluOp, Cmp, MetaField, Reg

TAG_START = 12
TAG_END = 16
TAG_LENGTH = TAG_END - TAG_START

VLAN_TPIDS = (0x8100, 0x88A8)
"""What Linux may strip: 802.1Q and 802.1ad (eth_type_vlan, include/linux/if_vlan.h)."""


class Frame:
    """The packet's bytes, by their offset on the wire.

    With `stripped` the hook holds a tag for certain: bytes 12 to 16 come from the metadata, and
    what follows them is four bytes further to the front.
    """

    def __init__(self, builder: Builder, *, stripped: bool = False) -> None:
        self._builder = builder
        self._stripped = stripped

    def load(self, base: Reg | None, offset: int, width: int) -> Reg:
        """Load `width` (1, 2, 4) bytes at base + offset, which must not exceed 32 bits.

        Ends the program with "no match" beyond the captured bytes. May emit blocks.
        """
        if not self._stripped or (base is None and offset + width <= TAG_START):
            return self._builder.load(base, offset, width)
        if offset >= TAG_END:
            return self._builder.load(base, offset - TAG_LENGTH, width)
        if base is None:
            return self._load_at_tag(offset, width)
        return self._load_anywhere(base, offset, width)

    def choices(self, base: Reg | None, offset: int, width: int) -> tuple[int, ...] | None:
        """Return the values that a load can give, where these are known beforehand."""
        if self._stripped and base is None and (offset, width) == (TAG_START, 2):
            return VLAN_TPIDS
        return None

    def _load_behind_tag(self, base: Reg, offset: int, width: int) -> Reg:
        """Load at base + offset, known to lie behind the tag."""
        if offset >= TAG_LENGTH:
            return self._builder.load(base, offset - TAG_LENGTH, width)
        shifted = self._builder.alu(AluOp.SUB, base, TAG_LENGTH)
        return self._builder.load(shifted, offset, width)

    def _load_at_tag(self, offset: int, width: int) -> Reg:
        """Load what overlaps the tag: join the bytes before it, its own, and those after it."""
        end = offset + width
        if (offset, width) == (TAG_START, 2):
            return self._builder.meta(MetaField.VLAN_TPID)
        if (offset, width) == (TAG_START + 2, 2):
            return self._builder.meta(MetaField.VLAN_TCI)
        parts = [
            self._byte(at) if at < TAG_END else self._builder.load(None, at - TAG_LENGTH, 1)
            for at in range(offset, end)
        ]
        value = parts[0]
        for part in parts[1:]:
            value = self._builder.alu(AluOp.LSH, value, 8)
            value = self._builder.alu(AluOp.OR, value, part)
        return value

    def _byte(self, at: int) -> Reg:
        """Return the byte at `at`, which lies before the end of the tag."""
        if at < TAG_START:
            return self._builder.load(None, at, 1)
        field = MetaField.VLAN_TPID if at < TAG_START + 2 else MetaField.VLAN_TCI
        word = self._builder.meta(field)
        if at % 2:
            return self._builder.alu(AluOp.AND, word, 0xFF)
        return self._builder.alu(AluOp.RSH, word, 8)

    def _load_anywhere(self, base: Reg, offset: int, width: int) -> Reg:
        """Load at an offset that only the packet tells: before, within or after the tag."""
        builder = self._builder
        join = builder.name(f"wire[{base}+{offset}:{width}]")
        if builder.knows(join):
            return join
        done, after, near, before = (builder.label(hint) for hint in ("ld", "ld", "ld", "ld"))
        builder.branch(Cmp.GE, base, TAG_END - offset, after, near)
        builder.place(after)
        builder.copy(join, self._load_behind_tag(base, offset, width))
        builder.jump(done)
        builder.place(near)
        for at in range(max(offset, TAG_START - width + 1), TAG_END):
            here, other = builder.label("ld"), builder.label("ld")
            builder.branch(Cmp.EQ, base, at - offset, here, other)
            builder.place(here)
            builder.copy(join, self._load_at_tag(at, width))
            builder.jump(done)
            builder.place(other)
        builder.jump(before)
        builder.place(before)
        builder.copy(join, builder.load(base, offset, width))
        builder.place(done)
        return join
