"""Counting in the machine of tests/support; observe reads the same maps from the kernel."""

from __future__ import annotations

import struct

import pytest

from netbpf.codegen.ebpf import counters, generate
from netbpf.codegen.hooks import hook_for
from netbpf.errors import IrError, UsageError
from netbpf.ir.program import Program
from netbpf.ir.text import parse
from netbpf.spec import Action, CounterTable, Key, ProgramSpec, Target
from netbpf.uapi.bpf import MapFlag, MapType
from tests.support.ebpf_vm import Skb, Vm

MATCH_ALL = parse("entry:\n  match")
FIRST_BYTE_IS_1 = parse(
    "entry:\n  a = load1 0\n  if a == 1 goto yes else no\nyes:\n  match\nno:\n  no match"
)
SECOND_BYTE = parse("outputs b\nentry:\n  b = load1 1\n  match")


def spec(
    program: Program,
    target: Target = Target.XDP,
    action: Action = Action.COUNT,
    keys: dict[Key, Program] | None = None,
    cpus: int | None = None,
) -> ProgramSpec:
    return generate(program, hook_for(target), action=action, keys=keys, capacity=100, cpus=cpus)


def totals(vm: Vm) -> tuple[int, ...]:
    value = vm.value("totals", bytes(4))
    assert value is not None
    return struct.unpack(f"={len(value) // 8}Q", value)


def entry(vm: Vm, table: str, *words: int) -> tuple[int, ...] | None:
    value = vm.value(table, struct.pack(f"={len(words)}I", *words))
    return None if value is None else struct.unpack("=QQ", value)


@pytest.mark.parametrize(
    ("action", "codes", "expected"),
    [
        (Action.COUNT, [2, 2], (1, 60, 0)),
        (Action.DROP, [1, 2], (1, 60, 1)),
        (Action.PASS, [2, 1], (1, 60, 1)),
    ],
)
def test_actions(action: Action, codes: list[int], expected: tuple[int, ...]) -> None:
    """XDP_DROP is 1, XDP_PASS 2; what is counted is always what matches."""
    vm = Vm(spec(FIRST_BYTE_IS_1, action=action))
    assert [vm.run(b"\1".ljust(60)), vm.run(b"\2".ljust(60))] == codes
    assert totals(vm) == expected


@pytest.mark.parametrize("linear", [0, 1, 60])
@pytest.mark.parametrize("target", [Target.XDP, Target.TC, Target.SOCKET])
def test_bytes_are_the_whole_packet(target: Target, linear: int) -> None:
    vm = Vm(spec(FIRST_BYTE_IS_1, target))
    vm.run(b"\1".ljust(60), linear=linear)
    assert totals(vm) == (1, 60, 0)


@pytest.mark.parametrize("target", [Target.TC, Target.TC_EGRESS, Target.SOCKET])
def test_bytes_include_a_stripped_tag(target: Target) -> None:
    vm = Vm(spec(MATCH_ALL, target))
    vm.run(bytes(60), skb=Skb(vlan=(0x8100, 5)))
    assert totals(vm) == (1, 64, 0)


def test_array_tables_are_indexed_by_number_and_end_with_none() -> None:
    vm = Vm(spec(MATCH_ALL, keys={Key.PORT: SECOND_BYTE, Key.PROTO: SECOND_BYTE}))
    vm.run(b"\0\x35")
    vm.run(b"\0\x35\0")
    vm.run(b"\0")  # too short to have a key
    assert entry(vm, "port", 0x35) == (2, 5)
    assert entry(vm, "proto", 0x35) == (2, 5)
    assert entry(vm, "port", 65536) == (1, 1)
    assert entry(vm, "proto", 256) == (1, 1)
    assert totals(vm) == (3, 6, 0, 0, 0)


def test_a_key_is_found_where_the_linear_part_does_not_hold_it() -> None:
    for target in (Target.XDP, Target.TC, Target.SOCKET):
        vm = Vm(spec(FIRST_BYTE_IS_1, target, keys={Key.PORT: SECOND_BYTE}))
        vm.run(b"\1\x35", linear=1)
        assert entry(vm, "port", 0x35) == (1, 2)


def test_hash_tables_count_what_they_create() -> None:
    key = parse("outputs b b b b b\nentry:\n  b = load1 1\n  match")
    vm = Vm(spec(MATCH_ALL, keys={Key.PORT: SECOND_BYTE, Key.SRC: key}))
    for second in (7, 8, 7):
        vm.run(bytes([0, second]))
    vm.run(b"\0")
    assert entry(vm, "src", 7, 7, 7, 7, 7) == (2, 4)
    assert entry(vm, "src", 8, 8, 8, 8, 8) == (1, 2)
    assert entry(vm, "src", 0, 0, 0, 0, 0) == (1, 1)
    assert totals(vm) == (4, 7, 0, 0, 3)


def test_an_entry_that_another_cpu_creates_meanwhile_is_added_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = parse("outputs b b b b b\nentry:\n  b = load1 1\n  match")
    vm = Vm(spec(MATCH_ALL, keys={Key.DST: key}))
    inserting = vm.insert

    def beaten(*arguments: object) -> int:
        live, words, _, flags = arguments
        assert inserting(live, words, struct.pack("=QQ", 10, 100), flags) == 0  # type: ignore[arg-type]
        return inserting(live, words, b"", flags)  # type: ignore[arg-type]

    monkeypatch.setattr(vm, "insert", beaten)
    vm.run(b"\0\7")
    assert entry(vm, "dst", 7, 7, 7, 7, 7) == (11, 102)
    assert totals(vm) == (1, 2, 0, 0)  # the other CPU has counted the creation


def test_a_key_may_be_an_offset_too() -> None:
    """A constant that is read as a number stays one, though loads go by its pointer."""
    key = parse(
        "outputs j\nentry:\n  a = load1 0\n  if a == 1 goto one else two\n"
        "one:\n  j = 2\n  goto both\ntwo:\n  j = 3\n  goto both\n"
        "both:\n  b = load1 j + 0\n  match"
    )
    vm = Vm(spec(MATCH_ALL, keys={Key.PROTO: key}))
    for first in (1, 2, 2):
        vm.run(bytes([first, 0, 0, 0]))
    assert [entry(vm, "proto", number) for number in (2, 3)] == [(1, 4), (2, 8)]


def test_all_keys_at_once_fit_the_stack() -> None:
    words = {1: "b", 5: "b b b b b", 10: "b b b b b b b b b b"}
    keys = {
        key: parse(f"outputs {words[count]}\nentry:\n  b = load1 1\n  match")
        for key, count in counters.KEY_WORDS.items()
    }
    vm = Vm(spec(MATCH_ALL, keys=keys))
    vm.run(b"\0\7")
    for key, count in counters.KEY_WORDS.items():
        assert entry(vm, key.value, *[7] * count) == (1, 2)


def test_the_layout_says_where_things_are() -> None:
    flow = parse("outputs b b b b b b b b b b\nentry:\n  b = load1 1\n  match")
    made = spec(MATCH_ALL, keys={Key.PORT: SECOND_BYTE, Key.FLOW: flow})
    assert made.counters is not None
    assert made.counters.tables == (
        CounterTable(Key.PORT, "port", 65537, exact=True),
        CounterTable(Key.FLOW, "flow", 100, exact=False),
    )
    assert [(m.name, m.type, m.key_size, m.value_size, m.max_entries) for m in made.maps] == [
        ("totals", MapType.PERCPU_ARRAY, 4, 40, 1),
        ("port", MapType.PERCPU_ARRAY, 4, 16, 65537),
        ("flow", MapType.LRU_PERCPU_HASH, 40, 16, 100),
    ]


def row(vm: Vm, name: str, at: int, count: int) -> tuple[int, ...]:
    """Return the numbers at an offset of a flat map."""
    value = vm.value(name, bytes(4))
    assert value is not None
    return struct.unpack_from(f"={count}Q", value, at)


def test_each_cpu_counts_in_a_row_of_its_own() -> None:
    word = parse("outputs b\nentry:\n  b = load2 0\n  match")
    made = spec(
        MATCH_ALL, action=Action.DROP, keys={Key.PORT: word, Key.PROTO: SECOND_BYTE}, cpus=3
    )
    assert [(m.name, m.type, m.value_size, m.max_entries, m.flags) for m in made.maps] == [
        ("totals", MapType.ARRAY, 3 * 128, 1, MapFlag.MMAPABLE),
        ("port", MapType.ARRAY, 3 * 1_048_704, 1, MapFlag.MMAPABLE),
        ("proto", MapType.ARRAY, 3 * 4_224, 1, MapFlag.MMAPABLE),
    ]
    vm = Vm(made)
    vm.run(b"\xff\xff")
    vm.cpu = 2
    vm.run(b"\0\6\0")
    vm.run(b"\0")
    assert row(vm, "totals", 0, 3) == (1, 2, 1)
    assert row(vm, "totals", 128, 3) == (0, 0, 0)
    assert row(vm, "totals", 256, 3) == (2, 4, 2)
    assert row(vm, "port", 16 * 0xFFFF, 4) == (1, 2, 0, 0)
    assert row(vm, "port", 2 * 1_048_704 + 16 * 6, 2) == (1, 3)
    assert row(vm, "port", 2 * 1_048_704 + 16 * 65536, 2) == (1, 1)
    assert row(vm, "proto", 2 * 4_224 + 16 * 6, 2) == (1, 3)


def test_what_has_no_row_is_not_counted() -> None:
    """A CPU or number that cannot be leaves the others' numbers alone."""
    word = parse("outputs b\nentry:\n  b = load4 0\n  match")
    vm = Vm(spec(MATCH_ALL, keys={Key.PROTO: word}, cpus=2))
    vm.run(b"\0\0\1\1")  # 257
    vm.cpu = 2
    vm.run(b"\0\0\0\1")
    assert row(vm, "totals", 0, 3) == (1, 4, 0)
    assert not any(row(vm, "proto", 0, 2 * 4_224 // 8))


def test_rows_that_addresses_cannot_reach_are_left_to_the_kernel() -> None:
    many = spec(MATCH_ALL, keys={Key.PORT: SECOND_BYTE}, cpus=512)
    assert {m.type for m in many.maps} == {MapType.PERCPU_ARRAY}
    assert {m.type for m in spec(MATCH_ALL, cpus=512).maps} == {MapType.ARRAY}


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="only observes"):
        spec(MATCH_ALL, Target.SOCKET, Action.DROP)
    with pytest.raises(IrError, match="a key of 1 words for src"):
        spec(MATCH_ALL, keys={Key.SRC: SECOND_BYTE})
    with pytest.raises(UsageError, match="nothing to count by"):
        generate(MATCH_ALL, hook_for(Target.XDP), counting=False, keys={Key.PORT: SECOND_BYTE})
