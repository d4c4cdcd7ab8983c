"""What is found in BTF that was written here, and in the kernel's, read by other code."""

from __future__ import annotations

import sys

import pytest

from netbpf.btf.decode import Types
from netbpf.btf.encode import Member, Placed, TypeTable
from netbpf.btf.skb import SkBuff, sk_buff
from tests.support.btf import VMLINUX, kernel

pytestmark = pytest.mark.skipif(sys.byteorder == "big", reason="is written in little-endian")


def written() -> tuple[TypeTable, int]:
    """Return types of every kind that netbpf writes, then a function, and its id."""
    table = TypeTable()
    word = table.unsigned("u32", 4)
    table.array(word, word, 5)
    table.struct("cast", 8, [Member("len", word, 4)])  # a name that a function has, too
    table.struct(
        "sk_buff",
        24,
        [
            Member("len", word, 4),
            Member("data_len", word, 8),
            Member("", word, 12),
            Member("data", table.pointer(word), 16),
        ],
    )
    table.section(".data", 4, [Placed(table.variable("v", word), 0, 4)])
    prototype = table.prototype(word, [("a", word), ("b", word)])
    table.function("len", prototype)
    return table, table.function("bpf_cast_to_kern_ctx", prototype)


def test_a_function_is_numbered_as_it_was_written() -> None:
    table, last = written()
    types = Types(table.encode())
    assert types.function("bpf_cast_to_kern_ctx") == last
    assert types.function("len") == last - 1
    assert types.function("cast") is None  # a struct
    assert types.function("never") is None


def test_members_are_found_in_bytes() -> None:
    types = Types(written()[0].encode())
    assert types.members("sk_buff") == {"len": 4, "data_len": 8, "data": 16}
    assert types.members("len") == {}


def test_a_number_that_looks_like_a_name_is_none() -> None:
    """Words that equal a name's offset, and a kind behind, within another type."""
    table = TypeTable()
    name = table.string("wanted")
    table.array(name, 12 << 24, 7)
    function = table.function("wanted", table.prototype(0, []))
    assert Types(table.encode()).function("wanted") == function


def test_what_a_program_needs_of_the_buffer() -> None:
    table, last = written()
    assert sk_buff(table.encode()) == SkBuff(last, len=4, data_len=8, data=16)
    assert sk_buff(TypeTable().encode()) is None


@pytest.mark.parametrize("data", [b"", b"\x9f\xeb", b"\xeb\x9f" + bytes(30)])
def test_what_is_no_btf_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="BTF"):
        Types(data)


def test_what_is_cut_is_refused() -> None:
    whole = written()[0].encode()
    with pytest.raises(ValueError, match="BTF"):
        Types(whole[: len(whole) // 2])


def test_the_kernels_own() -> None:
    layout = kernel().layout("sk_buff")
    members = Types(VMLINUX.read_bytes()).members("sk_buff")
    assert {"len", "data_len", "data", "head"} <= members.keys()
    assert members.items() <= layout
