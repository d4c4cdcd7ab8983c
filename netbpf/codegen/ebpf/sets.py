"""Sets as tables: an array map with one value, which the program reads directly (Linux 5.2).

- Numbers of 16 bits (ports, protocols, VLAN ids): a bitmap, 8 KiB, one load.
- Others (addresses): the sorted boundaries of the ranges, searched without a branch. A branch
  would cost a misprediction and double the verifier's paths at every step.

A table is written before the program runs, and frozen.
Depends on asm, spec, ir.program, codegen.ebpf.stack.
"""

from __future__ import annotations

import sys

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.codegen.ebpf.stack import SCRATCH
from netbpf.errors import CodeSizeError, Span
from netbpf.ir.program import U32, Member
from netbpf.records import dataclass, field
from netbpf.spec import MapSpec
from netbpf.uapi.bpf import MapFlag, MapType

_BITMAP_BYTES = 8192
_MOST_BYTES = 4 << 20  # of an array's value that user space can write: KMALLOC_MAX_SIZE
_LARGEST_OFF = 0x7FFF

Members = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Tables:
    """The tables of a program; equal sets share one."""

    text: str
    maps: dict[tuple[Members, int], MapSpec] = field(default_factory=dict)

    def table(self, member: Member) -> MapSpec:
        """Return the map for a set. Raises CodeSizeError where it exceeds 4 MiB."""
        members, words = member.members, len(member.regs)
        found = self.maps.get((members, words))
        if found is None:
            content = _bitmap(members) if _is_narrow(member) else _boundaries(members, words)
            if len(content) > _MOST_BYTES:
                raise CodeSizeError(
                    f"a set of {len(members)} ranges is too large for one map",
                    text=self.text,
                    span=member.span or Span(0, len(self.text)),
                )
            found = MapSpec(
                name=f"set{len(self.maps)}",
                type=MapType.ARRAY,
                key_size=4,
                value_size=len(content),
                max_entries=1,
                flags=MapFlag.RDONLY_PROG,
                init=((bytes(4), content),),
                freeze=True,
            )
            self.maps[members, words] = found
        return found


def word(index: int) -> int:
    """Return where `look_up` expects a word of a longer value, most significant first."""
    return SCRATCH + 4 * index


def look_up(asm: Assembler, tables: Tables, member: Member, orelse: Label) -> None:
    """Go on if the value is a member, else at `orelse`; clobbers r0 to r5.

    A value of one word is in r0, one of more words on the stack.
    """
    if not member.members:
        asm.jump(orelse)
        return
    words = len(member.regs)
    table = tables.table(member)
    asm.load_map(2, table.name, value=True)
    if _is_narrow(member):
        _look_up_bit(asm, orelse)
    else:
        _search(asm, words, table.value_size // (4 * words))
        inside = Jmp.JEQ if _is_odd_inside(member.members, words) else Jmp.JNE
        asm.jump_if(ebpf.jump_imm(inside, 0, 0), orelse)


def _is_narrow(member: Member) -> bool:
    """Whether 16 bits hold every member."""
    return len(member.regs) == 1 and member.members[-1][1] <= 0xFFFF


def _bitmap(members: Members) -> bytes:
    """Bit x is bit x % 32 of the 32-bit word x / 32."""
    bits = 0
    for low, high in members:
        bits |= ((1 << (high - low + 1)) - 1) << low
    words = (bits >> shift & U32 for shift in range(0, _BITMAP_BYTES * 8, 32))
    return b"".join(value.to_bytes(4, sys.byteorder) for value in words)


def _look_up_bit(asm: Assembler, orelse: Label) -> None:
    """r2 is the bitmap, r0 the value."""
    asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, 0xFFFF), orelse)
    asm.emit(ebpf.mov_reg(1, 0), ebpf.alu64(Alu.RSH, 1, 5), ebpf.alu64(Alu.LSH, 1, 2))
    asm.emit(ebpf.alu64_reg(Alu.ADD, 2, 1), ebpf.load(4, 1, 2))
    asm.emit(ebpf.alu32_reg(Alu.RSH, 1, 0))  # by r0 % 32 (RFC 9669, 4.1)
    asm.emit(ebpf.alu32(Alu.AND, 1, 1))
    asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, 0), orelse)


def _is_odd_inside(members: Members, words: int) -> bool:
    """Whether the boundaries at odd places begin ranges; see `_boundaries`."""
    return members[-1][1] == (1 << 32 * words) - 1


def _boundaries(members: Members, words: int) -> bytes:
    """Return a table of 2**n entries: nothing, then the first values of each range and each gap.

    The largest value fills it up. So the largest value itself is found at the last place, which
    is odd: it must be inside iff odd places are. Else a 0 in front makes even places the insides.
    """
    largest = (1 << 32 * words) - 1
    values = [] if _is_odd_inside(members, words) else [0]
    for low, high in members:
        values.append(low)
        if high < largest:
            values.append(high + 1)
    entries = 1 << len(values).bit_length()
    values = [0, *values] + [largest] * (entries - 1 - len(values))
    return b"".join(
        (value >> shift & U32).to_bytes(4, sys.byteorder)
        for value in values
        for shift in range(32 * (words - 1), -1, -32)
    )


def _search(asm: Assembler, words: int, entries: int) -> None:
    """Find the last entry that is not above the value; r0 != 0 iff its place is odd.

    r2 is the table, r3 to r5 are the value's last words. Each step asks whether
    table[place + step] <= value, which is to say whether entry - value - 1 borrows.
    """
    if words == 1:
        asm.emit(ebpf.mov_reg(3, 0))
    else:
        for index in range(3):
            asm.emit(ebpf.load(4, 3 + index, FRAME_POINTER, word(words - 1 - index)))
    asm.emit(ebpf.alu64(Alu.ADD, 3, 1))
    size = 4 * words
    step = entries * size // 2
    while step >= size:
        far = step + size > _LARGEST_OFF
        if far:
            asm.emit(ebpf.alu64(Alu.ADD, 2, step))
        _borrow(asm, words, 0 if far else step)
        asm.emit(ebpf.alu64(Alu.LSH, 0, step.bit_length() - 1), ebpf.alu64_reg(Alu.ADD, 2, 0))
        if far:
            asm.emit(ebpf.alu64(Alu.SUB, 2, step))
        step //= 2


def _borrow(asm: Assembler, words: int, at: int) -> None:
    """r0 = 1 if the entry at r2 + at is not above the value, else 0.

    The borrow goes from word to word as 0 or 1, in r0 and r1 by turns. (As 0 or -1 it would be a
    mask at once; but since 6.18 the verifier follows both values of such masks, at every step.)
    """
    before, entry = (0, 1) if words % 2 == 0 else (1, 0)
    for index in range(words):
        place = 4 * (words - 1 - index)
        asm.emit(ebpf.load(4, entry, 2, at + place))
        if index > 0:
            asm.emit(ebpf.alu64_reg(Alu.SUB, entry, before))
        value = 3 + index
        if value > 5:
            value = before
            asm.emit(ebpf.load(4, value, FRAME_POINTER, SCRATCH + place))
        asm.emit(ebpf.alu64_reg(Alu.SUB, entry, value), ebpf.alu64(Alu.RSH, entry, 63))
        before, entry = entry, before
