"""Lay out a relocatable ELF64 object: sections, symbols, relocations (ELF specification, gABI).

Little-endian, for EM_BPF. Knows nothing of what is in the sections.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag

from netbpf.records import dataclass, field

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")

_IDENT = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little-endian, version 1
_ET_REL = 1
_EM_BPF = 247
_STB_GLOBAL = 1
_R_BPF_64_64 = 1
_ALIGNMENT = 8


class SectionType(IntEnum):
    """SHT_*."""

    PROGBITS = 1
    SYMTAB = 2
    STRTAB = 3
    REL = 9


class SectionFlag(IntFlag):
    """SHF_*."""

    WRITE = 1
    ALLOC = 2
    EXECINSTR = 4


class SymbolType(IntEnum):
    """STT_*."""

    OBJECT = 1
    FUNC = 2


@dataclass(slots=True)
class Section:
    """A section of the object; `link` and `info` are what its type makes of them."""

    name: str
    type: SectionType
    content: bytes
    flags: int = 0  # SectionFlag
    link: int = 0
    info: int = 0
    entry_size: int = 0


@dataclass(frozen=True, slots=True)
class Symbol:
    """A global name for a part of a section."""

    name: str
    type: SymbolType
    section: str
    offset: int
    size: int


@dataclass(slots=True)
class ElfObject:
    """An object under construction. Relocations: (section, offset, symbol), R_BPF_64_64."""

    sections: list[Section] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    relocations: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, name: str, content: bytes, flags: int = 0) -> None:
        """Add a section with content of the program's own."""
        self.sections.append(Section(name, SectionType.PROGBITS, content, flags))

    def encode(self) -> bytes:
        """Return the object file."""
        strings = _Strings()
        sections = [*self.sections, *self._relocation_sections()]
        symtab = len(sections) + 1
        for section in sections:
            if section.type is SectionType.REL:
                section.link = symtab
        sections.append(self._symbol_table(strings, strtab=symtab + 1))
        for section in sections:
            strings.add(section.name)
        strings.add(".strtab")
        sections.append(Section(".strtab", SectionType.STRTAB, strings.content))
        return _file(sections, strings)

    def _index(self, name: str) -> int:
        return 1 + next(i for i, section in enumerate(self.sections) if section.name == name)

    def _relocation_sections(self) -> list[Section]:
        number = {symbol.name: 1 + index for index, symbol in enumerate(self.symbols)}
        found: dict[str, bytes] = {}
        for section, offset, symbol in self.relocations:
            entry = _RELOCATION.pack(offset, number[symbol] << 32 | _R_BPF_64_64)
            found[section] = found.get(section, b"") + entry
        return [
            Section(
                f".rel{name}", SectionType.REL, content, info=self._index(name),
                entry_size=_RELOCATION.size,
            )
            for name, content in found.items()
        ]  # fmt: skip

    def _symbol_table(self, strings: _Strings, *, strtab: int) -> Section:
        content = bytes(_SYMBOL.size)
        for symbol in self.symbols:
            info = _STB_GLOBAL << 4 | symbol.type
            place = (self._index(symbol.section), symbol.offset, symbol.size)
            content += _SYMBOL.pack(strings.add(symbol.name), info, 0, *place)
        return Section(
            ".symtab", SectionType.SYMTAB, content,
            link=strtab, info=1, entry_size=_SYMBOL.size,  # info: the first global symbol
        )  # fmt: skip


class _Strings:
    """A string table."""

    def __init__(self) -> None:
        self.content = b"\0"
        self._offsets = {"": 0}

    def add(self, text: str) -> int:
        if text not in self._offsets:
            self._offsets[text] = len(self.content)
            self.content += text.encode() + b"\0"
        return self._offsets[text]


def _file(sections: list[Section], strings: _Strings) -> bytes:
    """Put the header in front, and the table of sections behind."""
    body = b""
    table = bytes(_SECTION.size)
    for section in sections:
        body += bytes(-len(body) % _ALIGNMENT)
        table += _SECTION.pack(
            strings.add(section.name), section.type, section.flags, 0,
            _HEADER.size + len(body), len(section.content), section.link, section.info,
            _ALIGNMENT, section.entry_size,
        )  # fmt: skip
        body += section.content
    body += bytes(-len(body) % _ALIGNMENT)
    header = _HEADER.pack(
        _IDENT, _ET_REL, _EM_BPF, 1, 0, 0, _HEADER.size + len(body), 0,
        _HEADER.size, 0, 0, _SECTION.size, 1 + len(sections), len(sections),
    )  # fmt: skip
    return header + body + table
