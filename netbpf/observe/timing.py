"""Time programs in the kernel: nanoseconds per packet over those of a program that does nothing.

Each program is the body of a loop (codegen.rounds), and all of them take turns, so that what else
the machine does falls on all alike. A turn's figure is what the program took less what the floor
took in the same turn. Minima are what the code costs, medians what the machine made of it.
Depends on codegen, objects.
"""

from __future__ import annotations

import random
import statistics
from contextlib import ExitStack
from typing import TYPE_CHECKING

from netbpf.asm import ebpf
from netbpf.codegen.rounds import DRAWN, ROUNDS_MAP, State, looped
from netbpf.errors import NotSupportedError, VerifierError
from netbpf.objects import Program
from netbpf.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from netbpf.spec import ProgramSpec

ROUNDS = 20_000
TURNS = 60
MOST_BYTES = 3440
"""Of packets to draw from: what a page holds beside a test run's headroom and tailroom."""

_LOOPS_SINCE = "6.9"
_FLOOR = ""  # its name among the others
_PLACES = 4  # in memory: where a loop lies changes its time by up to a tenth
_FIRST_TURNS = 2  # thrown away: caches and predictors are cold


@dataclass(frozen=True, slots=True)
class Timing:
    """What one program took over the floor, in nanoseconds per packet, once per turn.

    `least` is the difference of minima; it may be a little below 0 for what costs nothing.
    """

    least: float
    turns: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the turns."""
        return statistics.median(self.turns)

    def ratio(self, rival: Timing) -> Ratio:
        """Return how many times as long the rival takes."""
        each = [b / a for a, b in zip(self.turns, rival.turns, strict=True) if a > 0]
        low, middle, high = (
            statistics.quantiles(each, n=4) if len(each) > 1 else (float("nan"),) * 3
        )
        least = rival.least / self.least if self.least > 0 else float("nan")
        return Ratio(least, middle, low, high)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of minima, and the median and quartiles of the ratios of the turns."""

    least: float
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Packets:
    """What the rounds of a run are given: the bytes of one packet, or many to draw from."""

    data: bytes
    starts: tuple[int, ...] = ()

    @classmethod
    def mixed(cls, every: Iterable[bytes]) -> Packets:
        """Put packets one behind the other, the first ones that there is room for.

        Each of them then reaches to the end of the last.
        """
        data = b""
        starts: list[int] = []
        for one in every:
            if len(starts) == DRAWN or len(data) + len(one) > MOST_BYTES:
                break
            starts.append(len(data))
            data += one
        return cls(data, tuple(starts))


def time_rounds(
    specs: Mapping[str, ProgramSpec], packets: Packets, *, turns: int = TURNS
) -> tuple[float, dict[str, Timing]]:
    """Return the floor in nanoseconds, and what each program takes over it.

    All programs are of one type, XDP where packets are drawn. Left out are those that ended in the
    midst of the run, as a load outside the packet does at a socket, and those whose loop the
    verifier refuses: it follows every path of it, and finds long ones too large.
    Raises CodeSizeError, PrivilegeError, KernelError, NotSupportedError before Linux 6.9.
    """
    floor = _idle(next(iter(specs.values())))
    _expect_loops(floor)
    every = {_FLOOR: floor, **specs}
    taken: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(_PLACES):
        _take_turns(every, packets, taken, max(1, turns // _PLACES))
        every = {name: spec for name, spec in every.items() if name in taken}
    return over_the_floor(taken.pop(_FLOOR), taken)


def _expect_loops(floor: ProgramSpec) -> None:
    """Raise NotSupportedError where the verifier refuses the loop around what does nothing."""
    try:
        Program.load(looped(floor)).close()
    except VerifierError as error:
        raise NotSupportedError(
            "cannot time programs: this kernel's verifier takes no loop of so many rounds",
            command=error.command,
            errno=error.errno,
            since=_LOOPS_SINCE,
            remedy=f"use Linux {_LOOPS_SINCE} or newer",
        ) from error


def _take_turns(
    specs: Mapping[str, ProgramSpec], packets: Packets, taken: dict[str, list[float]], turns: int
) -> None:
    """Load the programs, run each `turns` times, and note how long it took."""
    with ExitStack() as stack:
        loops: dict[str, Program] = {}
        for name, spec in specs.items():
            try:
                loop = Program.load(looped(spec, draw=bool(packets.starts)))
            except VerifierError:
                if name == _FLOOR:
                    raise
                del taken[name]
            else:
                loops[name] = stack.enter_context(loop)
        for turn in range(_FIRST_TURNS + turns):
            seed = random.getrandbits(64)
            for name in [name for name in loops if name in taken]:
                found = _run(loops[name], packets, seed)
                if found is None:
                    del taken[name]
                elif turn >= _FIRST_TURNS:
                    taken[name].append(found)


def over_the_floor(
    floor: list[float], taken: Mapping[str, list[float]]
) -> tuple[float, dict[str, Timing]]:
    """Return the least of the floor, and each one's times less those of the floor."""
    least = min(floor)
    return least, {
        name: Timing(
            min(times) - least,
            tuple(time - idle for time, idle in zip(times, floor, strict=True)),
        )
        for name, times in taken.items()
    }


def _run(loop: Program, packets: Packets, seed: int) -> float | None:
    """Return the nanoseconds per round, None where the loop did not come to its end."""
    state = loop.maps[ROUNDS_MAP]
    state.update(bytes(4), State(ROUNDS, seed=seed).pack(packets.starts))
    duration = loop.test_run(packets.data).duration
    left = state.lookup(bytes(4))
    assert left is not None  # an array's entry
    return None if State.unpack(left).left else duration / ROUNDS


def _idle(like: ProgramSpec) -> ProgramSpec:
    """Return a program of the same type that does nothing."""
    insns = (ebpf.mov(0, 0), ebpf.leave())
    return replace(like, name="netbpf_floor", insns=insns, spans=(), maps=(), map_refs=())
