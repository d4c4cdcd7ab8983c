"""Which few values registers can have, as the branches on the way tell.

`etype == 0x800` leaves one value on one side; where ways meet, the values of all of them remain. It
lets the builder leave out what cannot run, such as the walk through an IPv6 header where the packet
is known to be IPv4: ir.passes would find that, too, but only after it has been built.
Depends on ir.program and ir.arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping

from netbpf.ir.arithmetic import compare
from netbpf.ir.program import Branch, Cmp, Label, Member, Reg, Terminator

FEW = 8
"""A register with more possible values is not kept."""

MOST = 32
"""How many registers are kept at once, so that no program takes quadratic time."""

Possible = Mapping[Reg, frozenset[int]]
"""Registers that are not in it can have any value. Not to be changed in place."""

NOTHING: Possible = {}


def decided(test: Branch | Member, possible: Possible) -> bool | None:
    """Return how a test must come out, None if it can go either way."""
    reg = test.regs[0] if isinstance(test, Member) else test.a
    values = possible.get(reg)
    holding = None if values is None else _holding(test, values)
    if holding is None or values is None:
        return None
    if not holding:
        return False
    return True if len(holding) == len(values) else None


def after(test: Terminator, target: Label, possible: Possible) -> Possible:
    """Return what is possible where a block goes on at `target`."""
    if not isinstance(test, Branch | Member) or test.then == test.orelse:
        return possible
    reg = test.regs[0] if isinstance(test, Member) else test.a
    values = possible.get(reg)
    if target == test.then:
        left = _named(test) if values is None else _holding(test, values)
    elif values is not None and (holding := _holding(test, values)) is not None:
        left = values - holding
    else:
        return possible
    if left is None or (values is None and len(possible) >= MOST):
        return possible
    return {**possible, reg: left}


def either(one: Possible, other: Possible) -> Possible:
    """Return what is possible where two ways meet."""
    if one is other:
        return one
    if len(one) > len(other):
        one, other = other, one
    joined = {reg: values | other[reg] for reg, values in one.items() if reg in other}
    return {reg: values for reg, values in joined.items() if len(values) <= FEW}


def _holding(test: Branch | Member, values: frozenset[int]) -> frozenset[int] | None:
    """Return those of the values with which a test holds, None if that is not for us to say."""
    if isinstance(test, Branch):
        if not isinstance(test.b, int):
            return None
        return frozenset(value for value in values if compare(test.op, value, test.b))
    if len(test.regs) != 1 or len(test.members) > FEW:
        return None
    return frozenset(
        value for value in values if any(low <= value <= high for low, high in test.members)
    )


def _named(test: Branch | Member) -> frozenset[int] | None:
    """Return the values with which a test holds, None if there are too many."""
    if isinstance(test, Branch):
        return frozenset({test.b}) if test.op is Cmp.EQ and isinstance(test.b, int) else None
    if len(test.regs) != 1 or len(test.members) > FEW:
        return None
    if any(low != high for low, high in test.members):
        return None
    return frozenset(low for low, _ in test.members)
