"""Write BTF and BTF.ext (Documentation/bpf/btf.rst), little-endian.

A `TypeTable` collects types, each under the id that its method returns; id 0 is void. What is not
needed to describe maps, functions and lines is not here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum

from netbpf.records import dataclass

MAGIC = 0xEB9F
_VERSION = 1
_HEADER = struct.Struct("<HBBI")  # magic, version, flags, length of the header
_MAX_COLUMN = (1 << 10) - 1  # a line_info record has 10 bits for it

VOID = 0


class Kind(IntEnum):
    """BTF_KIND_*."""

    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    DECL_TAG = 17
    ENUM64 = 19


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct; `offset` in bytes."""

    name: str
    type: int
    offset: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A variable in a section; `offset` and `size` in bytes."""

    variable: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Line:
    """From instruction `insn` on, the source is `text`, at this line and column (from 1)."""

    insn: int
    text: str
    line: int
    column: int


class TypeTable:
    """Types and strings under construction."""

    def __init__(self) -> None:
        self._strings: dict[str, int] = {}
        self._string_bytes = bytearray()
        self._types = bytearray()
        self._count = 0
        self.string("")

    def string(self, text: str) -> int:
        """Return the offset of a string, which is stored once."""
        if text not in self._strings:
            self._strings[text] = len(self._string_bytes)
            self._string_bytes += text.encode("utf-8", errors="replace") + b"\0"
        return self._strings[text]

    def unsigned(self, name: str, size: int) -> int:
        """Add an unsigned integer of `size` bytes."""
        return self._add(name, Kind.INT, 0, size, struct.pack("<I", 8 * size))

    def signed(self, name: str, size: int) -> int:
        """Add a signed integer of `size` bytes."""
        return self._add(name, Kind.INT, 0, size, struct.pack("<I", 1 << 24 | 8 * size))

    def pointer(self, target: int) -> int:
        """Add a pointer."""
        return self._add("", Kind.PTR, 0, target)

    def array(self, element: int, index: int, count: int) -> int:
        """Add an array of `count` elements; `index` is an integer type."""
        return self._add("", Kind.ARRAY, 0, 0, struct.pack("<III", element, index, count))

    def struct(self, name: str, size: int, members: Sequence[Member]) -> int:
        """Add a struct of `size` bytes."""
        packed = b"".join(
            struct.pack("<III", self.string(m.name), m.type, 8 * m.offset) for m in members
        )
        return self._add(name, Kind.STRUCT, len(members), size, packed)

    def prototype(self, result: int, parameters: Sequence[tuple[str, int]]) -> int:
        """Add a function's type."""
        packed = b"".join(
            struct.pack("<II", self.string(name), type_) for name, type_ in parameters
        )
        return self._add("", Kind.FUNC_PROTO, len(parameters), result, packed)

    def function(self, name: str, prototype: int) -> int:
        """Add a global function."""
        return self._add(name, Kind.FUNC, 1, prototype)

    def variable(self, name: str, type_: int) -> int:
        """Add a global variable."""
        return self._add(name, Kind.VAR, 0, type_, struct.pack("<I", 1))

    def section(self, name: str, size: int, variables: Sequence[Placed]) -> int:
        """Add a section that holds variables."""
        packed = b"".join(struct.pack("<III", v.variable, v.offset, v.size) for v in variables)
        return self._add(name, Kind.DATASEC, len(variables), size, packed)

    def encode(self) -> bytes:
        """Return the content of a .BTF section."""
        lengths = struct.pack(
            "<IIII", 0, len(self._types), len(self._types), len(self._string_bytes)
        )
        header = _HEADER.pack(MAGIC, _VERSION, 0, _HEADER.size + len(lengths))
        return header + lengths + bytes(self._types) + bytes(self._string_bytes)

    def encode_ext(self, section: str, function: int, lines: Sequence[Line], size: int) -> bytes:
        """Return the content of a .BTF.ext section for one function, the first of `section`.

        `size` is that of an instruction: an object counts in bytes. Call it before `encode`, as
        it adds strings.
        """
        functions = struct.pack("<IIIII", 8, self.string(section), 1, 0, function)
        info = struct.pack("<III", 16, self.string(section), len(lines))
        for line in lines:
            column = min(line.column, _MAX_COLUMN)
            where = (self.string(section), self.string(line.text), line.line << 10 | column)
            info += struct.pack("<IIII", line.insn * size, *where)
        lengths = struct.pack("<IIII", 0, len(functions), len(functions), len(info))
        header = _HEADER.pack(MAGIC, _VERSION, 0, _HEADER.size + len(lengths))
        return header + lengths + functions + info

    def _add(self, name: str, kind: Kind, count: int, number: int, more: bytes = b"") -> int:
        """Append a type; `number` is its size or the type that it refers to."""
        info = kind << 24 | count
        self._types += struct.pack("<III", self.string(name), info, number) + more
        self._count += 1
        return self._count
