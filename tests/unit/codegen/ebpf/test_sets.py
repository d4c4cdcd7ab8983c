"""Sets of every shape are looked up as `ir.interp` does it."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from netbpf.codegen.ebpf import generate
from netbpf.codegen.hooks import hook_for
from netbpf.errors import CodeSizeError
from netbpf.ir.arithmetic import contains
from netbpf.ir.builder import Builder
from netbpf.ir.program import Program, Verdict
from netbpf.ir.text import parse
from netbpf.objects import Program as LoadedProgram
from netbpf.spec import Action, ProgramSpec, Target
from netbpf.uapi.bpf import MapFlag, MapType
from tests.support.ebpf_vm import Vm
from tests.support.programs import FRAGS

XDP = hook_for(Target.XDP, frags=FRAGS)
Members = tuple[tuple[int, int], ...]


def member_program(members: Members, words: int, width: int) -> Program:
    """Return a program that matches packets whose first words of `width` bytes are in a set."""
    builder = Builder("x in {…}")
    yes, no = builder.label("yes"), builder.label("no")
    regs = tuple(builder.load(None, width * index, width) for index in range(words))
    builder.member(regs, members, yes, no)
    for label, verdict in ((yes, Verdict.MATCH), (no, Verdict.NO_MATCH)):
        builder.place(label)
        builder.ret(verdict)
    return builder.finish()


def compiled(members: Members, words: int, width: int = 4) -> ProgramSpec:
    program = member_program(members, words, width)
    return generate(program, XDP, action=Action.DROP, counting=False)


def ranges(rng: random.Random, count: int, bits: int) -> Members:
    """Return that many random ranges of values of so many bits, some adjacent, some single."""
    cuts = sorted({rng.getrandbits(bits) for _ in range(4 * count + 40)})
    found: list[tuple[int, int]] = []
    for low, high in pairwise(cuts):
        kind = rng.random()
        if kind < 0.4 and (not found or found[-1][1] < low):
            found.append((low, low if rng.random() < 0.5 else high - 1))
    return tuple(found[:count])


def interesting(rng: random.Random, members: Members, bits: int) -> list[int]:
    """Return the values around some boundaries, the ends, and some others."""
    some = rng.sample(members, min(len(members), 30))
    near = [value + step for pair in some for value in pair for step in (-1, 0, 1)]
    ends = [0, 1, (1 << bits) - 2, (1 << bits) - 1]
    others = [rng.getrandbits(bits) for _ in range(30)]
    return [value for value in near + ends + others if 0 <= value < 1 << bits]


@pytest.mark.parametrize("ends", [(), (0,), (-1,), (0, -1)], ids=str)
@pytest.mark.parametrize(("words", "width"), [(1, 2), (1, 4), (4, 4)])
@pytest.mark.parametrize("count", [17, 100, 3000, 20_000])
def test_a_table_holds_what_the_set_holds(
    count: int, words: int, width: int, ends: tuple[int, ...]
) -> None:
    rng = random.Random(count)
    bits = 8 * words * width
    members = ranges(rng, count, bits)
    if 0 in ends:
        members = ((0, 0), *(m for m in members if m[0] > 0))
    if -1 in ends:
        last = (1 << bits) - 1
        members = (*(m for m in members if m[1] < last - 1), (last - 1, last))
    spec = compiled(members, words, width)
    assert [m.name for m in spec.maps] == ["set0"]
    vm = Vm(spec)
    verdicts = set()
    for value in interesting(rng, members, bits):
        expected = contains(members, value)
        got = vm.run(value.to_bytes(words * width, "big")) == XDP.drop
        assert got == expected, hex(value)
        verdicts.add(expected)
    assert verdicts == {True, False}


@pytest.mark.parametrize("width", [2, 4])
def test_other_values_survive_a_look_up(width: int) -> None:
    members = " ".join(hex(2 * n) for n in range(40))
    loads = "".join(f"  v{n} = load1 {n + 4}\n" for n in range(5))
    sums = "  s0 = v0\n" + "".join(f"  s{n} = s{n - 1} + v{n}\n" for n in range(1, 5))
    program = parse(
        f"entry:\n  a = load{width} 0\n{loads}  if a in {{ {members} }} goto both else no\n"
        f"both:\n{sums}  if s4 == 15 goto yes else no\nyes:\n  match\nno:\n  no match"
    )
    for target in (Target.XDP, Target.SOCKET):
        vm = Vm(generate(program, hook_for(target), action=Action.DROP, counting=False))
        first = (12).to_bytes(width, "big").ljust(4, b"\0")
        matching = {vm.run(first + bytes([1, 2, 3, 4, 5]), linear=linear) for linear in (9, 8)}
        assert matching.isdisjoint({vm.run(first + bytes([1, 2, 3, 4, 6]))})
        assert len(matching) == 1


def test_a_number_beyond_16_bits_is_in_no_bitmap() -> None:
    members = tuple((port, port) for port in range(0, 200, 2))
    vm = Vm(compiled(members, 1))
    assert vm.run((100).to_bytes(4, "big")) == XDP.drop
    assert vm.run((0x10000 + 100).to_bytes(4, "big")) == XDP.accept


def test_small_sets_need_no_table() -> None:
    for members in (
        ((1 << 20, 1 << 20), (1 << 21, 1 << 22)),
        tuple((2 * n, 2 * n) for n in range(16)),
    ):
        spec = compiled(members, 1)
        assert spec.maps == ()
        for value in (30, 31, 1 << 20, 1 << 22, 64, 1 << 32 - 1):
            expected = XDP.drop if contains(members, value) else XDP.accept
            assert Vm(spec).run(value.to_bytes(4, "big")) == expected


def test_the_two_versions_of_a_program_share_a_table() -> None:
    spec = compiled(tuple((2 * n, 2 * n) for n in range(70)), 1)
    assert len(spec.maps) == 1
    assert len(spec.map_refs) == 2
    assert Vm(spec).run((32).to_bytes(4, "big"), linear=1) == XDP.drop


def test_a_table_is_frozen_and_read_in_place() -> None:
    (table,) = compiled(tuple((2 * n, 2 * n) for n in range(70)), 1).maps
    assert (table.type, table.max_entries) == (MapType.ARRAY, 1)
    assert table.flags == MapFlag.RDONLY_PROG
    assert table.freeze
    assert [(key, len(value)) for key, value in table.init] == [(bytes(4), table.value_size)]


def test_a_set_too_large_for_a_map() -> None:
    members = tuple((n << 96, (n << 96) + 7) for n in range(140_000))
    with pytest.raises(CodeSizeError, match="140000 ranges"):
        compiled(members, 4)


@pytest.mark.root
@pytest.mark.parametrize("target", [Target.XDP, Target.TC, Target.SOCKET])
@pytest.mark.parametrize(("words", "width"), [(1, 2), (1, 4), (2, 4), (4, 4)])
@pytest.mark.parametrize("single", [False, True])
def test_every_hook_takes_every_kind_of_table(
    target: Target, words: int, width: int, *, single: bool
) -> None:
    """What the verifier knows of a value depends on where it was read."""
    for count in (8, 300, 30_000):
        members = ranges(random.Random(count), count, 8 * words * width)
        if single:
            members = tuple((low, low) for low, _ in members)
        program = member_program(members, words, width)
        hook = hook_for(target, frags=FRAGS)
        LoadedProgram.load(generate(program, hook, counting=False)).close()


@pytest.mark.root
@pytest.mark.parametrize(("words", "width"), [(1, 2), (1, 4), (4, 4)])
@pytest.mark.parametrize("count", [20, 5000, 100_000])
def test_the_kernel_finds_members_in_large_sets(count: int, words: int, width: int) -> None:
    rng = random.Random(count)
    bits = 8 * words * width
    members = ranges(rng, count, bits)
    with LoadedProgram.load(compiled(members, words, width)) as loaded:
        for value in interesting(rng, members, bits):
            data = value.to_bytes(words * width, "big").ljust(16, b"\0")
            expected = XDP.drop if contains(members, value) else XDP.accept
            assert loaded.test_run(data).action == expected, hex(value)
