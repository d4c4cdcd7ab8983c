"""What every kind of table has: bytes to put in a map, and code to look a value up in them."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Label
from netbpf.asm.ebpf import Alu
from netbpf.codegen.ebpf.stack import SCRATCH
from netbpf.records import dataclass

Members = tuple[tuple[int, int], ...]
"""Inclusive, disjoint, ascending ranges; they do not touch either."""

Read = Callable[[], int]
"""Gives the register that a value of one word is in; that may be r0, into which it is loaded."""

LARGEST_OFF = 0x7FFF


@dataclass(frozen=True, slots=True)
class Table(ABC):
    """A set, prepared to be asked. `content` is a multiple of 8 bytes; none: it needs no map."""

    content: bytes

    @property
    def clobbers(self) -> bool:
        """Whether a look-up destroys r2 to r5, beside r0 and r1."""
        return True

    @abstractmethod
    def look_up(self, asm: Assembler, name: str, read: Read, orelse: Label) -> None:
        """Go on if the value is in the set, else at `orelse`; `name` is the map's.

        A value of one word is where `read` says, one of more words on the stack (`word`).
        """


class Straight(Table):
    """A table in which a value of one word is mostly looked up without a branch."""

    @property
    @abstractmethod
    def is_straight(self) -> bool:
        """Whether that holds of this one, so that `differs` can be used."""

    @abstractmethod
    def differs(self, asm: Assembler, name: str, read: Read) -> None:
        """r0 = a number of 32 bits that is 0 iff the value is in the set.

        Branches are only for the verifier, and never taken.
        """


def word(index: int) -> int:
    """Return where on the stack a word of a longer value is, most significant first."""
    return SCRATCH + 4 * index


def points_at(asm: Assembler, name: str, offset: int, pointer: int, at: int) -> None:
    """pointer = the address `offset` + r`at` in a map's value; r`at` must have a limit."""
    asm.load_map(pointer, name, value=True)
    asm.emit(ebpf.alu64_reg(Alu.ADD, pointer, at))
    if offset:
        asm.emit(ebpf.alu64(Alu.ADD, pointer, offset))


HOST = sys.byteorder
