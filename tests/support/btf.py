"""The kernel's own BTF: its enums and struct layouts, to hold our constants against.

Format: Documentation/bpf/btf.rst. Read with a minimum of code, apart from netbpf's own reader.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

VMLINUX = Path("/sys/kernel/btf/vmlinux")
INT, ARRAY, STRUCT, UNION, ENUM, PROTO, VAR, DATASEC, TAG, ENUM64 = (
    1,
    3,
    4,
    5,
    6,
    13,
    14,
    15,
    17,
    19,
)
# Bytes behind a type's 12: fixed, and for each of its members.
FIXED = {INT: 4, ARRAY: 12, VAR: 4, TAG: 4}
EACH = {STRUCT: 12, UNION: 12, ENUM: 8, PROTO: 8, DATASEC: 12, ENUM64: 12}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union: where it is, in bytes, and its type's number."""

    name: str
    offset: int
    type: int


class Kernel:
    """What the running kernel's BTF says."""

    def __init__(self, data: bytes) -> None:
        header, types_at, size, strings_at, _ = struct.unpack_from("=IIIII", data, 4)
        self.data = data
        self.strings: int = header + strings_at
        self.enumerators: dict[str, set[int]] = defaultdict(set)
        self.members: list[tuple[Member, ...] | None] = [None]
        self.structs: dict[str, int] = {}
        at: int = header + types_at
        while at < header + types_at + size:
            at = self._take(at)

    def layout(self, name: str) -> set[tuple[str, int]]:
        """Every member of a struct or union, those of anonymous ones within it too."""
        return self._flat(self.structs[name], 0)

    def _flat(self, number: int, base: int) -> set[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        for member in self.members[number] or ():
            found.add((member.name, base + member.offset))
            # What is nested under a name (`test`, `link_create`) is a command's own attributes.
            found |= self._flat(member.type, base + member.offset)
        return found

    def _take(self, at: int) -> int:
        name_off, info = struct.unpack_from("=II", self.data, at)
        kind: int = info >> 24 & 31
        vlen: int = info & 0xFFFF
        body = at + 12
        members: tuple[Member, ...] | None = None
        if kind in (ENUM, ENUM64):
            for number in range(vlen):
                name, value = struct.unpack_from("=Ii", self.data, body + number * EACH[kind])
                self.enumerators[self._string(name)].add(value)
        elif kind in (STRUCT, UNION):
            members = tuple(self._member(body + number * 12, info >> 31) for number in range(vlen))
            self.structs.setdefault(self._string(name_off), len(self.members))
        self.members.append(members)
        return body + FIXED.get(kind, 0) + vlen * EACH.get(kind, 0)

    def _member(self, at: int, bitfields: int) -> Member:
        name, type_, offset = struct.unpack_from("=III", self.data, at)
        return Member(self._string(name), (offset & 0xFFFFFF if bitfields else offset) // 8, type_)

    def _string(self, offset: int) -> str:
        start = self.strings + offset
        return self.data[start : self.data.index(b"\0", start)].decode()


@cache
def kernel() -> Kernel:
    """Read the running kernel's BTF, or skip the test where it has none."""
    if not VMLINUX.exists():
        pytest.skip("the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)")
    return Kernel(VMLINUX.read_bytes())
