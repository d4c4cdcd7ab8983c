"""Each kind of table holds what its set holds, whatever the set: asked by itself, not by choice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import pytest

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Jmp
from netbpf.codegen.ebpf.sets.bitmap import LAST, Bitmap
from netbpf.codegen.ebpf.sets.bits import Bits
from netbpf.codegen.ebpf.sets.choose import choose
from netbpf.codegen.ebpf.sets.direct import Direct
from netbpf.codegen.ebpf.sets.hashed import Hashed
from netbpf.codegen.ebpf.sets.search import Search
from netbpf.codegen.ebpf.sets.table import Members, Straight, Table, word
from netbpf.ir.arithmetic import contains
from netbpf.objects import Program
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapFlag, MapType, ProgType
from tests.support.ebpf_vm import Vm

U32 = (1 << 32) - 1
IN, OUT = 1, 2
WIDE = 3  # a number of more than 32 bits, which there must not be
KEPT = 0x1234  # what the volatile registers hold meanwhile
SLOT = -64  # on the stack, of a value that has no register

Kind = Callable[[Members, int], Table]


def values_of(members: Members) -> list[int]:
    return list(chain.from_iterable(range(low, high + 1) for low, high in members))


RANGES: dict[str, Kind] = {
    **{f"Direct, {n}": lambda members, _, n=n: Direct.of(members, n) for n in (1, 2, 4, 8)},  # type: ignore[misc]
    "Search": Search.of,
    "choice": choose,
}
SINGLES: dict[str, Kind] = {
    **RANGES, "Hashed": lambda members, words: Hashed.of(values_of(members), words),
}  # fmt: skip


def asking(
    table: Table, words: int, *, spilled: bool = False, straight: bool = False
) -> ProgramSpec:
    """Return a program that tells whether the packet's first words are in the table."""
    asm = Assembler()
    orelse = asm.label()
    asm.emit(ebpf.load(4, 7, 1, 0), ebpf.load(4, 8, 1, 4), ebpf.mov_reg(0, 7))
    asm.emit(ebpf.alu64(Alu.ADD, 0, 16), ebpf.mov(9, KEPT))
    asm.jump_if(ebpf.jump_reg(Jmp.JGT, 0, 8), orelse)
    for index in range(words):
        asm.emit(ebpf.load(4, 2, 7, 4 * index), ebpf.big_endian(2, 32))
        asm.emit(ebpf.store(4, FRAME_POINTER, word(index), 2))
    asm.emit(ebpf.store(8, FRAME_POINTER, SLOT, 2))
    for register in (3, 4, 5):
        asm.emit(ebpf.mov(register, KEPT))

    def read() -> int:
        if spilled:
            asm.emit(ebpf.load(8, 0, FRAME_POINTER, SLOT))
        return 0 if spilled else 2

    if straight:
        assert isinstance(table, Straight)
        table.differs(asm, "set", read)
        asm.emit(ebpf.mov_reg(1, 0), ebpf.alu64(Alu.RSH, 1, 32))
        wide = asm.label()
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 1, 0), wide)
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), orelse)
    else:
        table.look_up(asm, "set", read, orelse)
    if not table.clobbers:
        for register in (3, 4, 5):
            asm.jump_if(ebpf.jump_reg(Jmp.JNE, register, 9), orelse)
    asm.emit(ebpf.mov(0, IN))
    asm.leave()
    asm.place(orelse)
    asm.emit(ebpf.mov(0, OUT))
    asm.leave()
    if straight:
        asm.place(wide)
        asm.emit(ebpf.mov(0, WIDE))
        asm.leave()
    code = asm.finish()
    content = table.content
    maps = (MapSpec("set", MapType.ARRAY, 4, len(content), 1, MapFlag.RDONLY_PROG,
                    ((bytes(4), content),), freeze=True),) if content else ()  # fmt: skip
    return ProgramSpec("asking", ProgType.XDP, None, code.insns, maps, code.map_refs)


def near(members: Members, bits: int, rng: random.Random) -> list[int]:
    """Return values at and beside the ends of ranges, the largest, the least, and some others."""
    some = members if len(members) < 100 else rng.sample(members, 60)
    found = {value + step for pair in some for value in pair for step in (-1, 0, 1)}
    found |= {0, 1, (1 << bits) - 2, (1 << bits) - 1} | {rng.getrandbits(bits) for _ in range(40)}
    return sorted(value for value in found if 0 <= value < 1 << bits)


def ways(table: Table, words: int) -> Iterator[tuple[bool, bool]]:
    """Yield how a table can be asked: of a spilled value or not, without a branch or with one."""
    for spilled in (False, True) if words == 1 else (False,):
        yield spilled, False
        if isinstance(table, Straight) and table.is_straight:
            yield spilled, True


def agree(table: Table, members: Members, words: int, asked: Iterable[int]) -> None:
    assert len(table.content) % 8 == 0
    asked = list(asked)
    for spilled, straight in ways(table, words):
        vm = Vm(asking(table, words, spilled=spilled, straight=straight))
        for value in asked:
            if straight and isinstance(table, Bitmap) and value > LAST:
                continue
            got = vm.run(value.to_bytes(4 * words, "big").ljust(16, b"\0"))
            assert got == (IN if contains(members, value) else OUT), hex(value)


def singles(values: Iterable[int]) -> Members:
    return tuple((value, value) for value in sorted(set(values)))


def drawn(count: int, bits: int, longest: int, above: int = 0) -> Members:
    """Return random ranges of lengths up to so many bits, between which something is left."""
    rng, found, last = random.Random(count), [], -2
    for low in sorted(above + rng.getrandbits(bits) for _ in range(count)):
        high = min(low | (1 << rng.randrange(longest + 1)) - 1, above + (1 << bits) - 1)
        if low > last + 1:
            found.append((low, high))
            last = high
    return tuple(found)


ODD_SETS: dict[str, Members] = {
    "everything": ((0, U32),),
    "the least": ((0, 0),),
    "the largest": ((U32, U32),),
    "both ends": ((0, 0), (U32, U32)),
    "all but one": ((0, 0x7FFF), (0x8001, U32)),
    "one": ((0x0A000001, 0x0A000001),),
    "half": ((0x80000000, U32),),
    "a /1 to a /32": tuple((1 << n, (1 << n) + (1 << n - 1) - 1 if n else 1) for n in range(1, 32)),
    "every other": tuple((n, n) for n in range(0x0A000000, 0x0A002000, 2)),
    "every other, over the edge of a bucket": tuple((n, n) for n in range(0x7FE0, 0x8020, 2)),
    "all but every tenth": tuple((n, n + 8) for n in range(0x0A000000, 0x0A010000, 10)),
    "neighbours of buckets": tuple((n << 15, (n << 15) + 0x7FFE) for n in range(7, 300)),
    "the last of buckets": tuple(((n << 15) + 0x7FFF, (n << 15) + 0x7FFF) for n in range(7, 300)),
    "crossing buckets": tuple(((n << 15) - 5, (n << 15) + 5) for n in range(7, 3000, 3)),
    "clusters": tuple(
        (n + at, n + at + 1)
        for n in range(0x20000000, 0x30000000, 0x2000000)
        for at in range(0, 99, 4)
    ),
    "random": drawn(3000, 32, 12),
    "random, dense": drawn(5000, 20, 6, 0x0A000000),
}  # fmt: skip


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("name", ODD_SETS)
def test_sets_of_ranges(name: str, kind: str) -> None:
    members = ODD_SETS[name]
    agree(RANGES[kind](members, 1), members, 1, near(members, 32, random.Random(1)))


@pytest.mark.parametrize("words", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["Search", "Hashed", "choice"])
@pytest.mark.parametrize("count", [2, 3, 20, 300, 3000])
def test_single_values(kind: str, count: int, words: int) -> None:
    rng = random.Random(count)
    bits = 32 * words
    for values in (
        [rng.getrandbits(bits) for _ in range(count)],
        [(0x20010DB8 << bits - 32) + 2 * n for n in range(count)],
        [n << bits - 16 | 1 for n in range(count)],
        [0, (1 << bits) - 1, *range(5, 2 * count, 3)],
    ):
        members = singles(values)
        agree(SINGLES[kind](members, words), members, words, near(members, bits, rng))


@pytest.mark.parametrize("words", [2, 3, 4])
@pytest.mark.parametrize("count", [1, 5, 100, 3000])
def test_ranges_of_more_words(count: int, words: int) -> None:
    bits = 32 * words
    everything = (1 << bits) - 1
    for members in (
        drawn(count, bits, bits - 10),
        drawn(count, bits - 40, bits - 60, 0x20010DB8 << bits - 32),
        ((0, 0), *drawn(count, bits - 8, 9, 1 << bits - 4), (everything, everything)),
    ):
        agree(Search.of(members, words), members, words, near(members, bits, random.Random(2)))


@pytest.mark.parametrize("count", [2, 40, 3000])
def test_bitmaps(count: int) -> None:
    for members in (drawn(count, 16, 5), ((0, 0), (0xFFFF, 0xFFFF)), ((0, 0xFFFF),)):
        asked = [*near(members, 16, random.Random(3)), 0x10000, 0x10000 | members[0][0], U32]
        agree(Bitmap.of(members), members, 1, asked)


@pytest.mark.parametrize("first", [0, 17, 63, 0x7FFFFFF0, U32 - 63])
def test_bits(first: int) -> None:
    ends = ((first, first), (first + 63, first + 63)) if first + 63 <= U32 else ()
    for members in (((first, first),), ((first, first + 5), (first + 7, first + 7)), ends):
        asked = [*near(members, 32, random.Random(4)), *range(130)]
        agree(Bits.of(members), members, 1, [*asked, (first + 64) & U32, first ^ 0x80000000])


def test_a_cluster_needs_blocks_and_equal_ones_are_shared() -> None:
    members = ODD_SETS["every other"]
    one = Direct.of(members, 2)
    assert one.last_block > 0
    twice = Direct.of((*members, *((low + 0x8000, low + 0x8000) for low, _ in members)), 2)
    assert len(twice.content) == len(one.content)


def test_the_look_up_is_chosen_by_the_set() -> None:
    ports, hosts = singles(range(0, 9000, 9)), singles(range(1 << 24, 1 << 30, 1 << 20))
    assert type(choose(singles((6, 17, 50)), 1)) is Bits
    assert type(choose(ports, 1)) is Bitmap
    assert type(choose(hosts, 1)) is type(choose(hosts, 4)) is Hashed
    assert type(choose(drawn(100, 32, 16), 1)) is Search
    far_apart = (*drawn(500, 20, 3, 0x0A000000), *drawn(501, 20, 3, 0xC0000000))
    assert type(choose(far_apart, 1)) is Direct
    assert type(choose(drawn(50_000, 32, 12), 1)) is Direct


@pytest.mark.root
@pytest.mark.parametrize("kind", SINGLES)
@pytest.mark.parametrize("name", ["every other", "clusters", "random", "both ends"])
def test_the_kernel_agrees(name: str, kind: str) -> None:
    members = ODD_SETS[name]
    if kind == "Hashed":
        members = singles(low for low, _ in members)
    with Program.load(asking(SINGLES[kind](members, 1), 1)) as program:
        for value in near(members, 32, random.Random(5)):
            got = program.test_run(value.to_bytes(4, "big").ljust(16, b"\0")).retval
            assert got == (IN if contains(members, value) else OUT), hex(value)


@pytest.mark.root
@pytest.mark.parametrize("words", [2, 3, 4])
@pytest.mark.parametrize("count", [20, 3000])
def test_the_kernel_agrees_about_more_words(count: int, words: int) -> None:
    bits = 32 * words
    for members, kind in (
        (drawn(count, bits, bits - 10), "Search"),
        (singles(low for low, _ in drawn(count, bits, 0)), "Hashed"),
    ):
        with Program.load(asking(SINGLES[kind](members, words), words)) as program:
            for value in near(members, bits, random.Random(6)):
                got = program.test_run(value.to_bytes(4 * words, "big").ljust(16, b"\0")).retval
                assert got == (IN if contains(members, value) else OUT), hex(value)
