"""Any set: the sorted boundaries of its ranges, searched without a branch in a short window.

A branch would cost a misprediction and double the verifier's paths at every step.

    directory    2**n entries, u16 or u32, by the value's first bits: where the window begins
    boundaries   nothing, then the first values of each range and each gap, in turns
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.codegen.ebpf.sets.table import (
    LARGEST_OFF,
    Members,
    Read,
    Straight,
    points_at,
    word,
)
from netbpf.ir.program import U32
from netbpf.records import dataclass

U16 = 0xFFFF

_MOST_DIRECTORY = 17  # bits: 512 KiB
_LEAST_DIRECTORY = 2  # bits: 8 bytes
_FINER = 2  # bits: windows shrink by a step each, tables grow
_HEAD = 64  # bits of a longer value that the directory may go by


@dataclass(frozen=True, slots=True)
class Search(Straight):
    """A value of `words` words is looked for in one of 2**bits windows of 2**steps boundaries.

    The first `skip` bits of all boundaries are those of `common`, and so are those of members.
    """

    words: int
    skip: int
    common: int
    bits: int
    steps: int
    last: int  # where the last window begins
    odd: bool  # whether places with odd numbers begin ranges

    @classmethod
    def of(cls, members: Members, words: int) -> Search:
        """Make the table of a set."""
        width = 32 * words
        largest = (1 << width) - 1
        odd = members[-1][1] == largest
        values = _boundaries(members, largest, odd=odd)
        skip = _common(members, width)
        bits = min(max(len(members).bit_length() + _FINER, _LEAST_DIRECTORY), _MOST_DIRECTORY)
        bits = min(bits, min(width, _HEAD) - skip)
        starts, longest = _windows(
            values, width - skip - bits, members[0][0] >> width - skip if skip else 0, bits
        )
        steps = max(1, (longest - 1).bit_length())
        values += [largest] * (starts[-1] + (1 << steps) - len(values))
        narrow = starts[-1] <= U16
        content = array("H" if narrow else "I", starts).tobytes() + _numbers(values, words)
        return cls(
            content + bytes(-len(content) % 8), words, skip,
            members[0][0] >> width - skip if skip else 0,
            bits, steps, starts[-1], odd,
        )  # fmt: skip

    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Find the last boundary that is not above the value; see whether its place is odd."""
        if self.words == 1:
            asm.emit(ebpf.mov_reg(3, read()), ebpf.mov_reg(0, 3))
        else:
            asm.emit(ebpf.load(4, 0, FRAME_POINTER, word(0)), ebpf.alu64(Alu.LSH, 0, 32))
            asm.emit(ebpf.load(4, 1, FRAME_POINTER, word(1)), ebpf.alu64_reg(Alu.OR, 0, 1))
        self._window(asm, name, orelse)
        self._search(asm)
        inside = Jmp.JEQ if self.odd else Jmp.JNE
        asm.jump_if(ebpf.jump_imm(inside, 0, 0), orelse)

    @property
    def is_straight(self) -> bool:
        """Whether a look-up needs no branch: where no value is known at once not to be there."""
        return self.words == 1 and not self.skip

    def differs(self, asm: Assembler, name: str, read: Read) -> None:
        """Look whether the place of the last boundary that is not above the value is even, or odd.

        What an entry cannot be is above the last window, and so not 0 either.
        """
        assert self.is_straight
        impossible = asm.label()
        asm.emit(ebpf.mov_reg(3, read()), ebpf.mov_reg(0, 3))
        self._window(asm, name, impossible)
        self._search(asm)
        if self.odd:
            asm.emit(ebpf.alu64(Alu.XOR, 0, 1))
        asm.place(impossible)

    def _window(self, asm: Assembler, name: str, orelse: Label) -> None:
        """r2 = where the window begins; r0 is the value, or its first 64 bits."""
        width = min(32 * self.words, _HEAD)
        if self.skip:
            asm.emit(ebpf.mov_reg(1, 0), ebpf.alu64(Alu.RSH, 1, width - self.skip))
            asm.emit(*ebpf.load_imm64(2, self.common & U32, self.common >> 32))
            asm.jump_if(ebpf.jump_reg(Jmp.JNE, 1, 2), orelse)
            asm.emit(ebpf.alu64(Alu.LSH, 0, 64 - width + self.skip))
            asm.emit(ebpf.alu64(Alu.RSH, 0, 64 - self.bits))
        else:
            # One word in 32 bits: of what LD_ABS gave, the verifier knows no limit.
            shift = ebpf.alu32 if self.words == 1 else ebpf.alu64
            asm.emit(shift(Alu.RSH, 0, width - self.bits))
        entry = 2 if self.last <= U16 else 4
        asm.emit(ebpf.alu64(Alu.LSH, 0, entry // 2))
        points_at(asm, name, 0, 1, 0)
        asm.emit(ebpf.load(entry, 0, 1))
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, self.last), orelse)  # which the verifier cannot know
        asm.emit(_times(4 * self.words, 0))
        points_at(asm, name, entry << self.bits, 2, 0)

    def _search(self, asm: Assembler) -> None:
        """Go from r2 on; r0 != 0 iff the place found is odd, as windows begin at even ones.

        r3 to r5 are the value's last words. Each step asks whether table[place + step] <= value,
        which is to say whether entry - value - 1 borrows.
        """
        if self.words > 1:
            for index in range(min(self.words, 3)):
                asm.emit(ebpf.load(4, 3 + index, FRAME_POINTER, word(self.words - 1 - index)))
        asm.emit(ebpf.alu64(Alu.ADD, 3, 1))
        size = 4 * self.words
        for exponent in reversed(range(self.steps)):
            step = size << exponent
            far = step + size > LARGEST_OFF
            if far:
                asm.emit(ebpf.alu64(Alu.ADD, 2, step))
            _borrow(asm, self.words, 0 if far else step)
            if exponent:
                asm.emit(_times(step, 0), ebpf.alu64_reg(Alu.ADD, 2, 0))
            if far:
                asm.emit(ebpf.alu64(Alu.SUB, 2, step))


def _times(step: int, register: int) -> ebpf.Insn:
    """Multiply by a step, which is no power of two for values of three words."""
    if step & (step - 1):
        return ebpf.alu64(Alu.MUL, register, step)
    return ebpf.alu64(Alu.LSH, register, step.bit_length() - 1)


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
            asm.emit(ebpf.load(4, value, FRAME_POINTER, word(0)))
        asm.emit(ebpf.alu64_reg(Alu.SUB, entry, value), ebpf.alu64(Alu.RSH, entry, 63))
        before, entry = entry, before


def _boundaries(members: Members, largest: int, *, odd: bool) -> list[int]:
    """Return nothing, then the first values of each range and each gap.

    The largest value will fill up the last window. So it is itself found at the last place, which
    is odd: it must be inside iff odd places are. Else a 0 in front makes even places the insides.
    """
    values = [0] if odd else [0, 0]
    for low, high in members:
        values.append(low)
        if high < largest:
            values.append(high + 1)
    return values


def _common(members: Members, width: int) -> int:
    """Return how many first bits all members have in common, as far as that saves anything."""
    first, last = members[0][0], members[-1][1]
    return max(0, min(width - (first ^ last).bit_length(), min(width, _HEAD) - _MOST_DIRECTORY))


def _windows(values: Sequence[int], shift: int, common: int, bits: int) -> tuple[list[int], int]:
    """Return the even places where windows begin, and how many boundaries the longest needs."""
    starts, longest, last = [], 0, 0
    for bucket in range(common << bits, (common + 1) << bits):
        first = bisect_right(values, bucket << shift, last) - 1
        last = bisect_left(values, (bucket + 1) << shift, first) - 1
        starts.append(first - first % 2)
        longest = max(longest, last + 1 - starts[-1])
    return starts, longest


def _numbers(values: Sequence[int], words: int) -> bytes:
    """Return values as words in host order, the most significant first."""
    shifts = range(32 * (words - 1), -1, -32)
    return array("I", [value >> shift & U32 for value in values for shift in shifts]).tobytes()
