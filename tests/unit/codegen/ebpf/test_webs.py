"""One name a life: what is independent gets apart, what meets stays together."""

from __future__ import annotations

import random

from netbpf.codegen.ebpf.webs import split_webs
from netbpf.ir.interp import outputs, run
from netbpf.ir.program import written
from netbpf.ir.text import dump, parse
from netbpf.ir.verify import verify
from tests.support.irgen import random_packet, random_program
from tests.support.tools import scaled

TWICE = """\
entry:
  a = load1 0
  if a == 1 goto again else no
again:
  a = load1 0
  if a == 2 goto yes else no
yes:
  match
no:
  no match
"""

MEETING = """\
entry:
  a = load1 0
  if a == 1 goto one else two
one:
  j = 14
  goto both
two:
  j = 18
  goto both
both:
  b = load1 j + 0
  if b == 7 goto yes else no
yes:
  match
no:
  no match
"""


def test_a_register_that_is_computed_twice_becomes_two() -> None:
    split = split_webs(parse(TWICE))
    assert {written(insn) for block in split for insn in block.insns} == {"a", "a'1"}


def test_what_meets_at_a_use_keeps_one_name() -> None:
    assert split_webs(parse(MEETING)) == parse(MEETING)


def test_random_programs_mean_the_same() -> None:
    rng = random.Random(5)
    for _ in range(scaled(300)):
        program = random_program(rng)
        split = split_webs(program)
        verify(split)
        for _ in range(5):
            packet = random_packet(rng)
            assert run(program, packet) is run(split, packet), dump(program)
            assert outputs(program, packet) == outputs(split, packet), dump(program)
