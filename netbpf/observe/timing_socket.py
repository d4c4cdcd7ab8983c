"""Time filters on sockets, classic and eBPF, beside each other (kernel.taps).

Precise to about a nanosecond, where observe.timing is to a tenth; but the only way to time what
the kernel makes of classic BPF. Every socket has a copy of its own of the filter, of either kind.
Depends on kernel, objects.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from netbpf.asm.cbpf import Insn, Op
from netbpf.kernel import taps
from netbpf.objects import Program
from netbpf.observe.timing import Timing, over_the_floor
from netbpf.spec import ProgramSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TURNS = 40
_PACKETS = 64  # per turn, after some to warm up
_WARM_UP = 8
_NOTHING = (Insn(Op.RET_K, 0, 0, 0),)


def time_sockets(
    filters: Mapping[str, Sequence[Insn] | ProgramSpec], packet: bytes, *, turns: int = TURNS
) -> tuple[float, dict[str, Timing]]:
    """Return the floor in nanoseconds, and what each filter takes over it.

    Programs must be compiled for a snap length of 0; classic filters are made so here.
    Raises PrivilegeError, KernelError.
    """
    with ExitStack() as stack:
        ground = stack.enter_context(taps.opened())
        ready = {
            name: _loaded(stack, one) if isinstance(one, ProgramSpec) else refusing(one)
            for name, one in {"": _NOTHING, **filters}.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in ready}
        for _ in range(turns):
            for name, one in ready.items():
                if isinstance(one, list):
                    ground.attach_programs(one)
                else:
                    ground.attach_classic(one)
                ground.send(packet, _WARM_UP)
                taken[name].append(ground.send(packet, _PACKETS))
    return over_the_floor(taken.pop(""), taken)


def refusing(insns: Sequence[Insn]) -> tuple[Insn, ...]:
    """Return the instructions with 0 for whatever constant they return."""
    return tuple(insn._replace(k=0) if insn.code == Op.RET_K else insn for insn in insns)


def _loaded(stack: ExitStack, spec: ProgramSpec) -> list[int]:
    return [stack.enter_context(Program.load(spec)).fd for _ in range(taps.SOCKETS)]
