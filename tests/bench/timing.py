"""Time commands beside each other: in turns, so that a busy machine is busy for both.

Ratios of the minima and of the medians: only ratios travel from one machine to another.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NETBPF = (str(Path(sys.executable).with_name("netbpf")),)
TOO_LONG = 600  # seconds; a rival that takes longer has lost


@dataclass(frozen=True)
class Times:
    """What a command took, in seconds, once per round."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def wall(command: Sequence[str]) -> float:
    """Return how long a command runs, in seconds."""
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=TOO_LONG,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return float(TOO_LONG)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]}: {done.stderr}")
    return time.perf_counter() - start


def until_first_line(command: Sequence[str]) -> float:
    """Return how long it takes until a command has said something, in seconds; then end it."""
    start = time.perf_counter()
    quiet = subprocess.DEVNULL  # to be ended is not everybody's expectation
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=quiet) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit(f"{' '.join(command)[:200]}: says nothing")
        taken = time.perf_counter() - start
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    return taken


def in_turns(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    measure: Callable[[Sequence[str]], float] = wall,
) -> dict[str, Times]:
    """Run all commands `rounds` times, one after the other; their output is thrown away."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(measure(command))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()}


def report(what: str, times: Mapping[str, Times], rival: str) -> str:
    """Return a line for each command: its least and median time, and its ratio to the rival."""
    base = times[rival]
    lines = [what]
    for name, one in times.items():
        ratio = f"{one.least / base.least:8.3f} x {one.median / base.median:8.3f} x"
        lines.append(f"  {name:<36} {one.least:9.4f} s {one.median:9.4f} s {ratio}")
    return "\n".join(lines)
