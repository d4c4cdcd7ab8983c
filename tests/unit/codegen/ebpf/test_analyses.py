"""What the generator finds out before it emits: ranges, byte order, bounds."""

from __future__ import annotations

import pytest

from netbpf.codegen.ebpf.bounds import explicit, without_implied
from netbpf.codegen.ebpf.byteorder import on_wire, swap
from netbpf.codegen.ebpf.ranges import upper_bounds
from netbpf.ir.program import U32, Bound, Program, Reg
from netbpf.ir.text import parse


def bound_of(code: str) -> int:
    """Return the bound of register r in a block of code."""
    return upper_bounds(parse(f"entry:\n{code}\n  match"))[Reg("r")]


@pytest.mark.parametrize(
    ("code", "bound"),
    [
        ("  r = 14", 14),
        ("  r = load1 5", 0xFF),
        ("  r = load2 5", U32),  # a byte swap: old verifiers know nothing of its result
        ("  r = meta ifindex", U32),
        ("  a = load1 0\n  r = a", 0xFF),
        ("  a = load1 0\n  b = a & 15\n  r = b << 2", 60),
        ("  a = load4 0\n  r = a & 0x1fff", 0x1FFF),
        ("  a = load1 0\n  r = a + 14", 0xFF + 14),
        ("  a = load4 0\n  r = a + 14", U32),  # may wrap
        ("  a = load1 0\n  r = a * 8", 0xFF * 8),
        ("  a = load1 0\n  r = a | 0x100", 0x1FF),
        ("  a = load1 0\n  r = a >> 4", 15),
        ("  a = load1 0\n  r = a >> 33", 0),
        ("  a = load1 0\n  b = load1 1\n  r = a << b", U32),
        ("  a = load1 0\n  r = a - 1", U32),
        ("  a = load1 0\n  r = a / 2", U32),
        ("  a = load1 0\n  r = a % 2", U32),
        ("  a = load1 0\n  r = a ^ 1", U32),
    ],
)
def test_upper_bounds(code: str, bound: int) -> None:
    assert bound_of(code) == bound


def test_a_join_takes_the_largest() -> None:
    program = parse("entry:\n  r = 14\n  a = load1 0\n  r = a\n  r = 18\n  match")
    assert upper_bounds(program)[Reg("r")] == 0xFF


def test_a_blurred_join_is_as_large_before_its_largest_assignment() -> None:
    joins = "".join(f"  j{n} = 1\n  j{n} = 1\n" for n in range(8))
    program = parse(f"entry:\n{joins}  a = 14\n  r = a + 1\n  a = load4 0\n  match")
    assert upper_bounds(program)[Reg("a")] == U32
    assert upper_bounds(program)[Reg("r")] == U32


@pytest.mark.parametrize(
    ("value", "width", "swapped"),
    [
        (0x800, 2, 0x8),
        (0x1FFF, 2, 0xFF1F),
        (0x12340800, 2, 0x12340008),  # what two bytes cannot equal stays so
        (0x0A000001, 4, 0x0100000A),
    ],
)
def test_swap_permutes_bits(value: int, width: int, swapped: int) -> None:
    assert swap(value, width) == swapped
    assert swap(swapped, width) == value


def wire(code: str, ending: str = "  match", outputs: str = "") -> set[str]:
    return set(on_wire(parse(f"{outputs}entry:\n{code}\n{ending}")))


YES_NO = " goto yes else no\nyes:\n  match\nno:\n  no match"


@pytest.mark.parametrize(
    ("code", "ending", "expected"),
    [
        ("  a = load2 12", "  if a == 0x800" + YES_NO, {"a"}),
        ("  a = load2 12", "  if a & 0x1fff" + YES_NO, {"a"}),
        ("  a = load2 12\n  b = a & 0x1fff", "  if b == 0" + YES_NO, {"a", "b"}),
        ("  a = load4 12\n  b = a ^ 7\n  c = b | 1", "  if c == 0" + YES_NO, {"a", "b", "c"}),
        ("  a = load4 12\n  b = load4 16", "  if a == b" + YES_NO, {"a", "b"}),
        ("  a = load4 12\n  b = load2 16", "  if a == b" + YES_NO, set()),
        ("  a = load2 12", "  if a > 1024" + YES_NO, set()),
        ("  a = load2 12", "  if a in { 1 5 }" + YES_NO, set()),
        ("  a = load1 12", "  if a == 6" + YES_NO, set()),
        ("  a = load2 12\n  b = a + 1", "  if a == 6" + YES_NO, set()),
        ("  a = load2 12\n  b = a << 1", "  if b == 6" + YES_NO, set()),
        ("  a = load2 12\n  b = load1 a + 0", "  if a == 6" + YES_NO, set()),
        ("  a = load2 12\n  a = load4 12", "  if a == 6" + YES_NO, set()),
        ("  a = load2 12\n  j = a\n  j = 5", "  if j == 6" + YES_NO, {"a", "j"}),
        ("  a = load2 12\n  j = a\n  j = meta len", "  if j == 6" + YES_NO, set()),
    ],
)
def test_values_that_stay_in_network_order(code: str, ending: str, expected: set[str]) -> None:
    assert wire(code, ending) == expected


def test_outputs_are_numbers() -> None:
    assert wire("  a = load2 12", outputs="outputs a\n") == set()


def bounds(program: Program) -> dict[str, list[tuple[str | None, int]]]:
    return {
        block.label: [(insn.base, insn.end) for insn in block.insns if isinstance(insn, Bound)]
        for block in program
    }


def test_a_load_that_nothing_covers_gets_a_check() -> None:
    program = parse("entry:\n  a = load2 12\n  b = load1 13\n  c = load1 14\n  match")
    assert bounds(explicit(program, 0xFFFF)) == {"entry": [(None, 14), (None, 15)]}


def test_a_bound_serves_the_loads_behind_it() -> None:
    program = parse("entry:\n  bound 34\n  a = load2 12\n  bound 20\n  c = load1 33\n  match")
    assert bounds(explicit(program, 0xFFFF)) == {"entry": [(None, 34)]}


def test_a_check_holds_where_every_way_has_made_it() -> None:
    program = parse(
        "entry:\n  a = load1 0\n  if a == 1 goto left else right\n"
        "left:\n  b = load1 20\n  goto done\n"
        "right:\n  c = load1 9\n  goto done\n"
        "done:\n  d = load1 8\n  e = load1 12\n  match"
    )
    found = bounds(explicit(program, 0xFFFF))
    assert found["done"] == [(None, 13)]


def test_a_new_base_is_checked_anew() -> None:
    program = parse(
        "entry:\n  r = load1 0\n  a = load1 r + 4\n  r = load1 0\n  b = load1 r + 2\n  match"
    )
    assert bounds(explicit(program, 0xFFFF))["entry"] == [(None, 1), ("r", 5), ("r", 3)]


def test_what_no_pointer_reaches_is_left_to_itself() -> None:
    program = parse("entry:\n  r = load4 0\n  a = load1 r + 4\n  b = load1 70000\n  match")
    assert bounds(explicit(program, 0xFFFF))["entry"] == [(None, 4)]


def test_a_bound_is_dropped_where_every_way_loads_there() -> None:
    program = parse(
        "entry:\n  bound 14\n  a = load1 0\n  if a == 1 goto left else right\n"
        "left:\n  b = load2 12\n  match\n"
        "right:\n  c = load1 20\n  goto end\n"
        "end:\n  no match"
    )
    assert bounds(without_implied(program))["entry"] == []


@pytest.mark.parametrize("right", ["  match", "  c = load1 12\n  match"])
def test_a_bound_stays_where_one_way_would_not_notice(right: str) -> None:
    program = parse(
        "entry:\n  bound 14\n  a = load1 0\n  if a == 1 goto left else right\n"
        f"left:\n  b = load2 12\n  match\nright:\n{right}"
    )
    assert bounds(without_implied(program))["entry"] == [(None, 14)]
