"""Bytes as Documentation/bpf/btf.rst lays them out; the kernel judges them in tests/unit/elf."""

from __future__ import annotations

import struct

from netbpf.btf.encode import Line, Member, Placed, TypeTable


def parts(data: bytes) -> tuple[tuple[int, ...], bytes]:
    """Return the types as words, and the strings."""
    magic, version, flags, length, *offsets = struct.unpack_from("<HBBIIIII", data)
    assert (magic, version, flags, length) == (0xEB9F, 1, 0, 24)
    type_offset, type_length, string_offset, string_length = offsets
    assert (type_offset, string_offset) == (0, type_length)
    assert len(data) == length + type_length + string_length
    types = data[length : length + type_length]
    return struct.unpack(f"<{len(types) // 4}I", types), data[length + type_length :]


def test_types_are_numbered_from_1() -> None:
    table = TypeTable()
    assert [table.signed("int", 4), table.pointer(0), table.array(1, 1, 5)] == [1, 2, 3]
    words, strings = parts(table.encode())
    assert strings == b"\0int\0"
    assert words == (
        *(1, 1 << 24, 4, 1 << 24 | 32),  # INT, signed, 32 bits
        *(0, 2 << 24, 0),  # PTR to void
        *(0, 3 << 24, 0, 1, 1, 5),  # ARRAY of 5
    )


def test_a_struct_counts_bits() -> None:
    table = TypeTable()
    word = table.unsigned("u32", 4)
    table.struct("pair", 8, [Member("a", word, 0), Member("b", word, 4)])
    words, strings = parts(table.encode())
    assert words[4:] == (9, 4 << 24 | 2, 8, 5, 1, 0, 7, 1, 32)
    assert strings == b"\0u32\0a\0b\0pair\0"


def test_a_section_of_variables() -> None:
    table = TypeTable()
    word = table.unsigned("u32", 4)
    placed = Placed(table.variable("x", word), 8, 4)
    table.section(".maps", 16, [placed])
    words, _ = parts(table.encode())
    assert words[4:] == (5, 14 << 24, 1, 1, 7, 15 << 24 | 1, 16, 2, 8, 4)


def test_a_string_is_stored_once() -> None:
    table = TypeTable()
    assert table.string("a") == table.string("a")
    assert table.string("") == 0


def test_functions_and_lines() -> None:
    table = TypeTable()
    function = table.function("f", table.prototype(0, [("ctx", 0)]))
    ext = table.encode_ext("xdp", function, [Line(0, "x", 1, 1), Line(3, "x", 2, 5000)], 8)
    assert struct.unpack_from("<HBBIIIII", ext) == (0xEB9F, 1, 0, 24, 0, 20, 20, 44)
    words = struct.unpack_from("<16I", ext, 24)
    section, text = table.string("xdp"), table.string("x")
    assert words[:5] == (8, section, 1, 0, function)
    assert words[5:8] == (16, section, 2)
    assert words[8:12] == (0, section, text, 1 << 10 | 1)
    assert words[12:] == (24, section, text, 2 << 10 | 1023)  # columns end at 1023
