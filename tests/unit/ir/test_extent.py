"""How far a program is bound to look into the packet."""

from __future__ import annotations

from netbpf.ir.extent import Extents, common, needed_extents, proof, widen
from netbpf.ir.intervals import Interval, intervals
from netbpf.ir.program import U32, Bound, Const, Load, Reg
from netbpf.ir.text import parse

L, X = Reg("l"), Reg("x")


def test_what_an_instruction_proves() -> None:
    small, large = {L: Interval(0, 60)}, {L: Interval(0, U32)}
    assert proof(Load(X, None, 12, 2), {}) == (None, 14)
    assert proof(Load(X, L, 12, 2), small) == (L, 14)
    assert proof(Load(X, L, 12, 2), large) is None  # the sum may wrap
    assert proof(Load(X, L, U32, 1), small) is None
    assert proof(Load(X, None, U32, 4), {}) is None
    assert proof(Bound(L, 14), large) == (L, 14)
    assert proof(Const(X, 1), {}) is None


def test_extents_are_joined() -> None:
    assert common([]) == {}
    assert common([{None: 5, L: 7}]) == {None: 5, L: 7}
    assert common([{None: 5, L: 7}, {None: 9}]) == {None: 5}


def test_no_more_bases_are_followed_than_is_quick() -> None:
    extents: Extents = {}
    for i in range(100):
        widen(extents, Reg(f"r{i}"), 4)
        widen(extents, Reg(f"r{i}"), 2)
    assert len(extents) == 32
    assert set(extents.values()) == {4}


def test_what_is_needed_is_what_every_way_to_a_match_loads() -> None:
    program = parse("""
        entry:
          a = load1 0
          if a == 1 goto one else two
        one:
          b = load4 30
          l = b & 15
          c = load1 l + 20
          if c == 1 goto yes else no
        two:
          bound 40
          l = 20
          d = load1 l + 30
          if d == 1 goto yes else done
        yes:
          match
        no:
          no match
        done:
          no match
    """)
    assert needed_extents(program, intervals(program)) == {
        "entry": {None: 34},
        "one": {None: 34},
        "two": {None: 40},
        "yes": {},
        "no": None,
        "done": None,
    }
