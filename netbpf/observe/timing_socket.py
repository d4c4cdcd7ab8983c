"""Time filters on sockets, classic and eBPF, beside each other (kernel.taps).

Precise to about a nanosecond, where observe.timing is to a tenth; but the only way to time what
the kernel makes of classic BPF. Every socket has a copy of its own of the filter, of either kind.
Depends on kernel, objects.
"""

from __future__ import annotations

from contextlib import ExitStack
from errno import ENOMEM
from typing import TYPE_CHECKING, Union

from netbpf.asm.cbpf import Insn, Op
from netbpf.errors import KernelError
from netbpf.kernel import taps
from netbpf.objects import Program
from netbpf.observe.timing import Timing, over_the_floor
from netbpf.records import dataclass
from netbpf.spec import ProgramSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TURNS = 40
_PACKETS = 64  # per turn, after some to warm up
_WARM_UP = 8
_NOTHING = (Insn(Op.RET_K, 0, 0, 0),)


@dataclass(frozen=True, slots=True)
class _Programs:
    """Copies of a program, one for each socket."""

    fds: list[int]


_Ready = Union[_Programs, "Sequence[Insn]"]


def time_sockets(
    filters: Mapping[str, Sequence[Insn] | ProgramSpec], packet: bytes, *, turns: int = TURNS
) -> tuple[float, dict[str, Timing]]:
    """Return the floor in nanoseconds, and what each filter takes over it.

    Programs must be compiled for a snap length of 0; classic filters are made so here.
    A filter that a socket has no room for is left out. Raises PrivilegeError, KernelError.
    """
    with ExitStack() as stack:
        ground = stack.enter_context(taps.opened())
        ready: dict[str, _Ready] = {
            name: _loaded(stack, one) if isinstance(one, ProgramSpec) else refusing(one)
            for name, one in {"": _NOTHING, **filters}.items()
        }
        taken: dict[str, list[float]] = {
            name: [] for name, one in ready.items() if _attached(ground, one)
        }
        for _ in range(turns):
            for name, times in taken.items():
                _attach(ground, ready[name])
                ground.send(packet, _WARM_UP)
                times.append(ground.send(packet, _PACKETS))
    return over_the_floor(taken.pop(""), taken)


def _attached(ground: taps.Taps, one: _Ready) -> bool:
    """Attach a filter, if a socket has room for it (sysctl net.core.optmem_max)."""
    try:
        _attach(ground, one)
    except KernelError as error:
        if error.errno != ENOMEM:
            raise
        return False
    return True


def _attach(ground: taps.Taps, one: _Ready) -> None:
    if isinstance(one, _Programs):
        ground.attach_programs(one.fds)
    else:
        ground.attach_classic(one)


def refusing(insns: Sequence[Insn]) -> tuple[Insn, ...]:
    """Return the instructions with 0 for whatever constant they return."""
    return tuple(insn._replace(k=0) if insn.code == Op.RET_K else insn for insn in insns)


def _loaded(stack: ExitStack, spec: ProgramSpec) -> _Programs:
    return _Programs([stack.enter_context(Program.load(spec)).fd for _ in range(taps.SOCKETS)])
