"""What code is expected to cost: the numbers that decide which form of a test is generated.

The unit is one instruction. A mispredicted branch costs as much as a hundred of them: what counts
most is how often a test comes out as it mostly does. Nobody knows the traffic; but ports and
addresses are rarely those that one looks for, fragment offsets are mostly 0, and of protocols there
are a few. docs/performance.md has what was measured.
Depends on ir.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netbpf.ir.expressions import Assignment
from netbpf.ir.formula import Bits, Every, Formula, InSet, Within
from netbpf.ir.program import Alu, Const, Copy, Insn, Load, Reg
from netbpf.proto.ethertype import EtherType

MISPREDICTED = 100
"""Instructions that could have run while a mispredicted branch is made good."""

MOST_AHEAD = 48
"""Instructions that may run ahead of need: more of them delay what comes next, too."""

WORTH = 1.1
"""How dear one test may be beside the two that it replaces: it may be one more's part."""

MOST_MEMBERS = 4
"""Ranges of a set that becomes a formula, not a tree or a table."""

_ETHERTYPES: dict[int, float] = {EtherType.IPV4: 0.6, EtherType.IPV6: 0.3}
_RARELY, _SOMETIMES, _MOSTLY = 0.03, 0.3, 0.9
_LOOK_UP = 10
_MANY_BITS = 12
_LINK_HEADER = 16  # bytes, of all link types


def insns(code: Iterable[Insn]) -> int:
    """Return what it costs to run straight code, in instructions."""
    return sum(map(_insn, code))


def _insn(insn: Insn) -> int:
    if isinstance(insn, Load):
        return 1 if insn.base is None else 4  # with its share in a check
    return 1 if isinstance(insn, (Const, Copy)) else 2 * isinstance(insn, Alu)


def formula(one: Formula) -> int:
    """Return what it costs to compute a formula (codegen.ebpf.zero), in instructions."""
    if isinstance(one, Within):
        return 5 if one.holds else 4
    if isinstance(one, Bits):
        return 2 if one.holds else 4
    if isinstance(one, InSet):
        return _LOOK_UP
    return sum(formula(part) + 1 for part in one.parts) - 1


def alone(one: Formula) -> int:
    """Return what a formula costs beside the branch on it; a comparison is the branch itself."""
    return 0 if isinstance(one, Bits) else formula(one) - 1


def branch(likely: float) -> float:
    """Return what a branch costs that is taken so often, in instructions."""
    return 1 + MISPREDICTED * min(likely, 1 - likely)


def likelihood(one: Formula, made: Mapping[Reg, Assignment]) -> float:
    """Return how often a formula may be true, from 0 to 1; `made` tells what registers hold."""
    if isinstance(one, Bits):
        found = _likelihood(one, made.get(one.reg))
    elif isinstance(one, InSet):
        found = _SOMETIMES
    elif isinstance(one, Within):
        found = min(_MOSTLY, max(_RARELY, (one.high - one.low) / 0xFFFF))
    else:
        conjunction = isinstance(one, Every)
        found = 1.0
        for part in one.parts:
            likely = likelihood(part, made)
            found *= likely if conjunction else 1 - likely
        return found if conjunction else 1 - found
    return found if one.holds else 1 - found


def _likelihood(bits: Bits, made: Assignment | None) -> float:
    if isinstance(made, Load) and _is_in_link_header(made):
        return _ETHERTYPES.get(bits.value, _RARELY)
    if bits.value == 0:
        return _MOSTLY
    return _RARELY if bits.mask.bit_count() >= _MANY_BITS else _SOMETIMES


def _is_in_link_header(load: Load) -> bool:
    return load.base is None and load.width == 2 and load.offset < _LINK_HEADER
