"""Give values machine registers, or stack slots where these run out: a linear scan.

The code has no loop, so a value lives at most from its first assignment to its last use in the
order of the listing. Values are looked at in the order in which they begin; when no register is
free, the one that is needed for longest goes to the stack, for all of its life.
Knows nothing of instructions: code comes as a list of steps.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from netbpf.ir.program import Reg
from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What one instruction does to values: it reads, then clobbers registers, then writes.

    `like` is a value whose register would spare a move if the written one got it.
    """

    reads: tuple[Reg, ...]
    writes: Reg | None
    clobbers: bool = False
    like: Reg | None = None


@dataclass(frozen=True, slots=True)
class Bank:
    """Machine registers to give out; a clobbering step destroys the volatile ones."""

    volatile: tuple[int, ...]
    preserved: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Allocation:
    """Every value's register, or its stack slot, counted from 0."""

    registers: Mapping[Reg, int]
    slots: Mapping[Reg, int]


@dataclass(slots=True)
class _Life:
    """A value's life; step n reads at 2n and writes at 2n + 1."""

    reg: Reg
    start: int
    end: int
    like: Reg | None


def allocate(steps: Sequence[Step], bank: Bank) -> Allocation:
    """Return a place for every value such that none is overwritten while it is needed."""
    clobbers = [index for index, step in enumerate(steps) if step.clobbers]
    lives = _lives(steps)
    everything = (*bank.volatile, *bank.preserved)
    registers: dict[Reg, int] = {}
    spilled: list[_Life] = []
    active: list[_Life] = []
    for life in lives:
        active = [other for other in active if other.end >= life.start]
        pool = bank.preserved if _crosses(life, clobbers) else everything
        used = {registers[other.reg] for other in active}
        free = [number for number in pool if number not in used]
        if free:
            wish = registers.get(life.like) if life.like is not None else None
            registers[life.reg] = wish if wish in free else free[0]
            active.append(life)
            continue
        last = max((o for o in active if registers[o.reg] in pool), key=_end, default=life)
        if last.end > life.end:
            registers[life.reg] = registers.pop(last.reg)
            active.remove(last)
            active.append(life)
            spilled.append(last)
        else:
            spilled.append(life)
    return Allocation(registers, _slots(spilled))


def _lives(steps: Sequence[Step]) -> list[_Life]:
    lives: dict[Reg, _Life] = {}
    for index, step in enumerate(steps):
        for reg in step.reads:
            lives[reg].end = 2 * index
        if step.writes is not None:
            at = 2 * index + 1
            lives.setdefault(step.writes, _Life(step.writes, at, at, step.like)).end = at
    return list(lives.values())


def _crosses(life: _Life, clobbers: Sequence[int]) -> bool:
    """Whether a value is needed behind a step that destroys registers and comes before it."""
    first = bisect_left(clobbers, (life.start + 1) // 2)
    return first < len(clobbers) and 2 * clobbers[first] + 1 < life.end


def _slots(spilled: Iterable[_Life]) -> dict[Reg, int]:
    slots: dict[Reg, int] = {}
    ends: list[int] = []  # per slot, until when it is taken
    for life in sorted(spilled, key=lambda life: life.start):
        slot = next((n for n, end in enumerate(ends) if end < life.start), len(ends))
        ends[slot : slot + 1] = [life.end]
        slots[life.reg] = slot
    return slots


def _end(life: _Life) -> int:
    return life.end
