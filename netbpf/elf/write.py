"""Write a ProgramSpec as an object file that libbpf, bpftool and iproute2 load.

    xdp, tc, socket …   the program, in the section that libbpf knows such programs by
    .maps               a variable per map, described by BTF
    .rodata             tables: maps with one value that nobody writes
    .BTF, .BTF.ext      types, the function, and per instruction the text that it came from
    license

Depends on asm, btf, spec, errors, codegen.hooks.
"""

from __future__ import annotations

from collections.abc import Iterator

from netbpf.asm.ebpf import INSN_SIZE, Insn, encode
from netbpf.btf.encode import Line, Member, Placed, TypeTable
from netbpf.codegen.hooks import hook_for
from netbpf.elf.sections import ElfObject, SectionFlag, Symbol, SymbolType
from netbpf.errors import Span, UsageError
from netbpf.records import dataclass
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapFlag, MapType, ProgFlag

_CODE = SectionFlag.ALLOC | SectionFlag.EXECINSTR
_DATA = SectionFlag.ALLOC | SectionFlag.WRITE
_MAPS, _RODATA, _LICENSE = ".maps", ".rodata", "license"
_POINTER_SIZE = 8


def write_object(spec: ProgramSpec) -> bytes:
    """Return the object file; its function has the name of the spec, as far as C allows.

    Raises UsageError for a map with contents that an object cannot carry.
    """
    section, name = _section(spec), _identifier(spec.name)
    types = _Types()
    elf = ElfObject()
    elf.add(section, encode(_unresolved(spec), byteorder="little"), _CODE)
    elf.symbols.append(Symbol(name, SymbolType.FUNC, section, 0, INSN_SIZE * len(spec.insns)))
    _add_maps(elf, [m for m in spec.maps if not m.init], types)
    _add_tables(elf, [m for m in spec.maps if m.init], types)
    license_ = spec.license.encode() + b"\0"
    elf.add(_LICENSE, license_, _DATA)
    elf.symbols.append(Symbol("_license", SymbolType.OBJECT, _LICENSE, 0, len(license_)))
    elf.relocations += [(section, INSN_SIZE * index, to) for index, to in spec.map_refs]
    function = types.table.function(name, types.entry_point())
    ext = types.table.encode_ext(section, function, list(_lines(spec)), INSN_SIZE)
    elf.add(".BTF", types.table.encode())
    elf.add(".BTF.ext", ext)
    return elf.encode()


@dataclass(slots=True)
class _Types:
    """The types of an object; those that everything needs are made at once."""

    table: TypeTable
    int32: int
    word: int

    def __init__(self) -> None:
        self.table = TypeTable()
        self.int32 = self.table.signed("int", 4)
        self.word = self.table.unsigned("unsigned int", 4)

    def entry_point(self) -> int:
        """Return `int (void *ctx)`."""
        return self.table.prototype(self.int32, [("ctx", self.table.pointer(0))])

    def number(self, value: int) -> int:
        """Return the type that stands for a number: a pointer to an array of so many."""
        return self.table.pointer(self.table.array(self.int32, self.int32, value))

    def words(self, size: int) -> int:
        """Return an array of 32-bit words."""
        return self.table.array(self.word, self.int32, size // 4)


def _section(spec: ProgramSpec) -> str:
    target = spec.target
    if target is None:
        raise UsageError("a program of no target has no section in an object file")
    return hook_for(target, frags=bool(spec.flags & ProgFlag.XDP_HAS_FRAGS)).section


def _identifier(name: str) -> str:
    """Return a name that BTF takes for a function."""
    allowed = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return allowed if allowed and not allowed[0].isdigit() else f"_{allowed}"


def _unresolved(spec: ProgramSpec) -> Iterator[Insn]:
    """Yield the instructions as a compiler leaves them: libbpf fills in the references."""
    references = {index for index, _ in spec.map_refs}
    for index, insn in enumerate(spec.insns):
        yield insn._replace(src=0, imm=0) if index in references else insn


def _add_maps(elf: ElfObject, maps: list[MapSpec], types: _Types) -> None:
    """Add a variable per map; its type says what the map is (libbpf, BTF-defined maps)."""
    if not maps:
        return
    placed, content = [], b""
    for spec in maps:
        type_, size = _map_type(spec, types)
        placed.append(Placed(types.table.variable(spec.name, type_), len(content), size))
        elf.symbols.append(Symbol(spec.name, SymbolType.OBJECT, _MAPS, len(content), size))
        content += bytes(size)
    types.table.section(_MAPS, len(content), placed)
    elf.add(_MAPS, content, _DATA)


def _map_type(spec: MapSpec, types: _Types) -> tuple[int, int]:
    """Return a struct of pointers to arrays, whose lengths are the numbers, and its size."""
    numbers = {
        "type": int(spec.type),
        "key_size": spec.key_size,
        "value_size": spec.value_size,
        "max_entries": spec.max_entries,
        "map_flags": int(spec.flags),
    }
    given = {name: number for name, number in numbers.items() if number}
    members = [
        Member(name, types.number(number), _POINTER_SIZE * index)
        for index, (name, number) in enumerate(given.items())
    ]
    size = _POINTER_SIZE * len(members)
    return types.table.struct("", size, members), size


def _add_tables(elf: ElfObject, maps: list[MapSpec], types: _Types) -> None:
    """Add read-only data: libbpf makes one map of all of it, and freezes that."""
    if not maps:
        return
    placed, content = [], b""
    for spec in maps:
        if not _is_constant(spec):
            raise UsageError(f"an object file cannot carry the contents of the map {spec.name}")
        ((_, value),) = spec.init
        variable = types.table.variable(spec.name, types.words(len(value)))
        placed.append(Placed(variable, len(content), len(value)))
        elf.symbols.append(Symbol(spec.name, SymbolType.OBJECT, _RODATA, len(content), len(value)))
        content += value
    types.table.section(_RODATA, len(content), placed)
    elf.add(_RODATA, content, SectionFlag.ALLOC)


def _is_constant(spec: MapSpec) -> bool:
    single = spec.type is MapType.ARRAY and spec.max_entries == 1
    return single and spec.freeze and bool(spec.flags & MapFlag.RDONLY_PROG)


def _lines(spec: ProgramSpec) -> Iterator[Line]:
    """Yield where the source changes: the line of the expression that a span begins in."""
    last: Span | None = None
    for index, span in enumerate(spec.spans or (None,) * len(spec.insns)):
        if index == 0 or (span != last and span is not None):
            start = span.start if span is not None else 0
            before = spec.text[:start]
            line_start = before.rfind("\n") + 1
            text = spec.text[line_start:].split("\n", 1)[0]
            yield Line(index, text, 1 + before.count("\n"), 1 + start - line_start)
            last = span
