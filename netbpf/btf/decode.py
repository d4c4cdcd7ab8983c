"""Look types up in BTF (Documentation/bpf/btf.rst), in the byte order of this machine.

The kernel's own has 60,000 types and more. Nothing is read of a type but its length, until its
name is found: so an answer takes some milliseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from netbpf.btf.encode import MAGIC, Kind

_HEADER = struct.Struct("=HBBIIIII")
_KIND_FLAG = 1 << 31  # of a type's info: offsets of members have 24 bits, behind a size of 8
# Words behind a type's three, in all and for each of what it consists of.
_MORE: dict[int, int] = {Kind.INT: 1, Kind.ARRAY: 3, Kind.VAR: 1, Kind.DECL_TAG: 1}
_MORE_EACH: dict[int, int] = {
    Kind.STRUCT: 3,
    Kind.UNION: 3,
    Kind.ENUM: 2,
    Kind.FUNC_PROTO: 2,
    Kind.DATASEC: 3,
    Kind.ENUM64: 3,
}


class Types:
    """The types of a .BTF section, or of /sys/kernel/btf/vmlinux."""

    def __init__(self, data: bytes) -> None:
        """Raise ValueError where `data` is no BTF of this byte order."""
        try:
            magic, _, _, header, types, size, strings, _ = _HEADER.unpack_from(data)
        except struct.error:
            raise ValueError("BTF without a header") from None
        if magic != MAGIC or size % 4 or header + max(types + size, strings) > len(data):
            raise ValueError("no BTF of this machine's byte order")
        self._data = data  # megabytes: no part of it is copied
        self._types, self._types_end = header + types, header + types + size
        self._strings = header + strings
        self._words = memoryview(data)[self._types : self._types_end].cast("I")

    def function(self, name: str) -> int | None:
        """Return the id of a function, None where there is none of this name."""
        return next((id_ for id_, _ in self._named(Kind.FUNC, name)), None)

    def members(self, name: str) -> dict[str, int]:
        """Return where the members of a struct are, in bytes; {} without such a struct.

        Those of anonymous structs and unions in it, and bit fields, are left out.
        """
        at = next((at for _, at in self._named(Kind.STRUCT, name)), None)
        if at is None:
            return {}
        info, words = self._words[at + 1], self._words[at + 3 :]
        offset_bits = 0xFFFFFF if info & _KIND_FLAG else 0xFFFFFFFF
        return {
            self._string(words[3 * index]): words[3 * index + 2] >> 3
            for index in range(info & 0xFFFF)
            if words[3 * index] and words[3 * index + 2] <= offset_bits
        }

    def _named(self, kind: Kind, name: str) -> Iterator[tuple[int, int]]:
        """Yield the ids of types, and their places in `_words`."""
        wanted = self._data.find(f"\0{name}\0".encode(), self._strings) + 1
        if not wanted:
            return
        word = struct.pack("=I", wanted - self._strings)
        found = self._data.find(word, self._types, self._types_end - 4)
        while found >= 0:
            at, beside = divmod(found - self._types, 4)
            if not beside and self._words[at + 1] >> 24 & 0x1F == kind:
                id_ = self._id(at)
                if id_ is not None:
                    yield id_, at
            found = self._data.find(word, found + 1, self._types_end - 4)

    def _id(self, wanted: int) -> int | None:
        """Count the types before the one that begins at a place; None if none begins there."""
        words = self._words
        lengths: dict[int, int] = {}  # by info, of which there are a few hundred
        id_, at = 1, 1  # a type's info is its second word
        while at <= wanted:
            try:
                at += lengths[words[at]]
            except KeyError:
                lengths[words[at]] = _length(words[at])
            else:
                id_ += 1
        return id_ if at == wanted + 1 else None

    def _string(self, offset: int) -> str:
        start = self._strings + offset
        return self._data[start : self._data.index(b"\0", start)].decode()


def _length(info: int) -> int:
    """Return the words of a type."""
    kind, count = info >> 24 & 0x1F, info & 0xFFFF
    return 3 + _MORE.get(kind, 0) + _MORE_EACH.get(kind, 0) * count
