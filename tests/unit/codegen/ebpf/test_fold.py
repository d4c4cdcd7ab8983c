"""Which branches become one question, and what is left out of it."""

from __future__ import annotations

import pytest

from netbpf.codegen.ebpf import costs
from netbpf.codegen.ebpf.fold import fold
from netbpf.codegen.ebpf.sets import Tables
from netbpf.ir.interp import Packet, run
from netbpf.ir.program import Decide
from netbpf.ir.text import parse
from netbpf.ir.verify import verify

ENDING = "\nyes:\n  match\nno:\n  no match\n"


def decisions(text: str) -> list[str]:
    folded = fold(parse(text + ENDING), Tables(""))
    return [str(block.term.formula) for block in folded if isinstance(block.term, Decide)]


@pytest.fixture(autouse=True)
def _all_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "MISPREDICTED", 100_000)
    monkeypatch.setattr(costs, "MOST_AHEAD", 100_000)


HEAD = "entry:\n  first = load1 0\n  if first == 9 goto one else no\none:\n  a = load2 12\n"


def test_a_conjunction() -> None:
    text = HEAD + "  b = load1 14\n  if a == 5 goto two else no\ntwo:\n  if b == 6 goto yes else no"
    (found,) = decisions(text)
    assert found.endswith("a & 0xffff == 0x5 and b & 0xff == 0x6")


def test_a_disjunction() -> None:
    text = (
        HEAD + "  b = load1 14\n  if a == 5 goto yes else two\ntwo:\n  if b == 6 goto yes else no"
    )
    assert any("a & 0xffff == 0x5 or b & 0xff == 0x6" in found for found in decisions(text))


def test_both_ways_on_exclude_each_other() -> None:
    text = (
        HEAD + "  b = load1 14\n  if a == 5 goto two else three\n"
        "two:\n  if b == 6 goto yes else no\nthree:\n  if a == 7 goto yes else no"
    )
    (found,) = decisions(text)
    assert found.count("a &") == 2, "that it is not 5 goes without saying where it is 7"


def test_an_alternative_that_only_partly_excludes_is_asked_for_the_rest() -> None:
    """Where a is 5 and b is not 6, that c is 3 must not matter."""
    text = (
        HEAD + "  b = load1 14\n  c = load1 15\n  if a == 5 goto two else three\n"
        "two:\n  if b == 6 goto yes else no\n"
        "three:\n  if a == 7 goto yes else four\nfour:\n  if c == 3 goto yes else no"
    )
    program = parse(text + ENDING)
    folded = fold(program, Tables(""))
    verify(folded)
    for a in (5, 7, 8):
        for b in (6, 1):
            for c in (3, 1):
                data = bytes((9, *[0] * 11, 0, a, b, c))
                assert run(folded, Packet(data)) is run(program, Packet(data)), (a, b, c)


def test_a_set_says_what_its_first_element_does() -> None:
    members = "{ 5 10 20 30 40 50 }"
    text = HEAD + f"  if a == 5 goto yes else two\ntwo:\n  if a in {members} goto yes else no"
    (found,) = decisions(text)
    assert found == "a not in 6 ranges"


def test_a_set_does_not_say_what_another_element_does() -> None:
    members = "{ 5 10 20 30 40 50 }"
    text = HEAD + f"  if a == 6 goto yes else two\ntwo:\n  if a in {members} goto yes else no"
    assert "a & 0xffff == 0x6" in decisions(text)[0]


def test_what_two_blocks_lead_to_is_not_computed_ahead() -> None:
    text = (
        HEAD + "  if a == 5 goto two else three\nthree:\n  c = load1 20\n  d = c / a\n"
        "  if d == 7 goto two else no\ntwo:\n  b = load1 14\n  if b == 6 goto yes else no"
    )
    assert decisions(text) == []
