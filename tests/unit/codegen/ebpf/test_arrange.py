from __future__ import annotations

from netbpf.codegen.ebpf.arrange import doubts_last, late
from netbpf.ir.program import Label, Program
from netbpf.ir.text import dump, parse
from netbpf.ir.verify import verify

ENDING = "yes:\n  match\nno:\n  no match\n"
ROOM = 64


def block(program: Program, label: str) -> str:
    """Return a block as it stands in a dump, without its label."""
    lines = dump(program).split(f"{label}:\n")[1].splitlines()
    return "; ".join(line.strip() for line in lines if line.startswith("  ")).split("; if")[0]


def test_what_one_block_reads_is_assigned_there() -> None:
    program = parse(
        "entry:\n  a = load1 0\n  b = load2 20\n  c = b & 0xff\n  if a == 1 goto more else no\n"
        "more:\n  if c == 2 goto yes else no\n" + ENDING
    )
    moved = late(program, ROOM)
    verify(moved)
    assert block(moved, "entry") == "a = load1 0"
    assert block(moved, "more") == "b = load2 20; c = b & 0xff"


def test_what_can_end_the_program_stays() -> None:
    """A packet that ends before byte 100 does not match, whatever its first byte."""
    program = parse(
        "entry:\n  a = load1 0\n  far = load1 100\n  there = load1 a + 2\n  part = a / far\n"
        "  if a == 1 goto yes else more\n"
        "more:\n  x = far + there\n  y = x + part\n  if y == 2 goto yes else no\n" + ENDING
    )
    assert dump(late(program, ROOM)) == dump(program)


def test_what_several_blocks_read_stays() -> None:
    program = parse(
        "entry:\n  a = load1 0\n  b = load2 20\n  if a == 1 goto one else other\n"
        "one:\n  if b == 2 goto yes else no\nother:\n  if b == 3 goto yes else no\n" + ENDING
    )
    assert dump(late(program, ROOM)) == dump(program)


DOUBTING = (
    "entry:\n  a = load1 20\n  if a in {{ 0 0x2b }} goto exact else sure\n"
    "exact:\n  bound 4294967295\n  match\n"
    "sure:\n  b = load2 56\n  if a == {} goto yes else no\n" + ENDING
)


def test_a_doubt_is_asked_for_after_what_rules_it_out() -> None:
    arranged = doubts_last(parse(DOUBTING.format(6)), {Label("exact")})
    verify(arranged)
    assert block(arranged, "entry") == "a = load1 20; b = load2 56"
    first, second, *_ = arranged.blocks
    assert first.targets() == ("yes", second.label)
    assert second.targets() == ("exact", "no")


def test_a_doubt_that_nothing_rules_out_comes_first() -> None:
    program = parse(DOUBTING.format(0x2B))
    arranged = doubts_last(program, {Label("exact")})
    assert arranged.blocks[0] == program.blocks[0]
