"""Time counting: what a filter that counts takes over the same filter that only judges.

Fixed: the same packet in each round. Random: each round writes a random number into the packet
first, so that a table is gone to all over; the filter that only judges gets the same packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netbpf import compiler
from netbpf.asm.ebpf import (
    Alu,
    Insn,
    Jmp,
    alu64,
    alu64_reg,
    jump_reg,
    load,
    load_imm64,
    mov_reg,
    store,
)
from netbpf.codegen import ebpf
from netbpf.codegen.hooks import hook_for
from netbpf.codegen.hooks.hook import CTX
from netbpf.compiler import Options
from netbpf.expr.lower.keys import lower_key
from netbpf.ir.passes import optimise
from netbpf.kernel import cpus
from netbpf.observe.timing import Packets, Timing, time_rounds
from netbpf.observe.traffic import frames
from netbpf.records import replace
from netbpf.spec import Key, MapSpec, ProgramSpec, Target
from netbpf.uapi.bpf import MapType, PseudoSrc
from tests.bench.lookup import time_lookup

FILTER, FRAME = "tcp", "http-get"
_TURNS = 40
_SEED = "seed"
_BARE = "judges only"


class Field(NamedTuple):
    """Bytes of the packet that are drawn at random: `bits` of them, the others are 0."""

    offset: int
    width: int
    bits: int


_DPORT, _SPORT = Field(36, 2, 16), Field(34, 2, 16)
_SRC = Field(26, 4, 12)  # 4,096 hosts
GROUPS: tuple[tuple[Field | None, tuple[tuple[Key, ...], ...]], ...] = (
    (None, ((), (Key.PORT,), (Key.SPORT,), (Key.PROTO,), (Key.SRC,))),
    (_DPORT, ((), (Key.PORT,))),
    (_SPORT, ((Key.SPORT,),)),
    (_SRC, ((Key.SRC,),)),
)
"""What is drawn, and by what is counted then; () has totals only."""


def run(words: Sequence[str] = ()) -> None:
    """Print what counting costs, of the hooks in `words` only where there are any."""
    unit = time_lookup()
    print(f"Counters: ns per packet over {FILTER!r} that only judges, least (median), and in H;")
    print(f"H, one look-up in a BPF hash map of 1,000 entries: {unit:.1f} ns\n")
    for target in (Target.XDP, Target.TC):
        if words and target.value not in words:
            continue
        for drawn, tables in GROUPS:
            for name, cost in costs(target, drawn, tables).items():
                kind = "random" if drawn else "fixed"
                print(
                    f"  {target.value:5}{name:12}{kind:8}{cost.least:7.2f} ({cost.median:6.2f}) ns"
                    f"{cost.least / unit:8.3f} ({cost.median / unit:.3f}) H",
                    flush=True,
                )


def costs(
    target: Target, drawn: Field | None, tables: Sequence[tuple[Key, ...]], turns: int = _TURNS
) -> dict[str, Timing]:
    """Return by what is counted, and what that takes over the filter that only judges."""
    specs = {_BARE: filter_(target, None, drawn)}
    specs |= {_name(by): filter_(target, by, drawn) for by in tables}
    _, found = time_rounds(specs, Packets(frames()[FRAME]), turns=turns)
    judging = found.pop(_BARE)
    return {name: _over(judging, counting) for name, counting in found.items()}


def filter_(target: Target, by: Sequence[Key] | None, drawn: Field | None) -> ProgramSpec:
    """Return the filter; where `by` is None it only judges.

    It lacks the code for packets that are not all in their linear part, which these are: with it
    the loop is more than the verifier follows.
    """
    options = Options()
    env = compiler.environment(FILTER, options, target)
    spec = ebpf.generate(
        compiler.to_ir(FILTER, options, target).program,
        replace(hook_for(target), load_bytes=None),
        counting=by is not None,
        keys={key: optimise(lower_key(key, env)) for key in by or ()},
        cpus=cpus.bound(),
    )
    return _drawing(spec, drawn) if drawn else spec


def _name(by: Sequence[Key]) -> str:
    return "by " + ",".join(key.value for key in by) if by else "totals"


def _over(judging: Timing, counting: Timing) -> Timing:
    turns = tuple(b - a for a, b in zip(judging.turns, counting.turns, strict=True))
    return Timing(counting.least - judging.least, turns)


def _drawing(spec: ProgramSpec, drawn: Field) -> ProgramSpec:
    """Return the program behind code that writes a random number into the packet."""
    assert spec.target is not None
    linear = hook_for(spec.target).linear
    assert linear is not None
    write = store(drawn.width, 3, drawn.offset, 2)
    prefix: tuple[Insn, ...] = (
        *load_imm64(5, 0, src=PseudoSrc.MAP_VALUE),
        load(8, 2, 5, 0),
        *load_imm64(3, 0x4C957F2D, 0x5851F42D),  # Knuth's MMIX
        alu64_reg(Alu.MUL, 2, 3),
        alu64(Alu.ADD, 2, 1),
        store(8, 5, 0, 2),
        alu64(Alu.RSH, 2, 64 - drawn.bits),
        mov_reg(CTX, 1),
        *linear(3, 4),
        mov_reg(5, 3),
        alu64(Alu.ADD, 5, drawn.offset + drawn.width),
        jump_reg(Jmp.JGT, 5, 4, 1),
        write,
    )
    return replace(
        spec,
        insns=(*prefix, *spec.insns),
        spans=(),
        maps=(*spec.maps, MapSpec(_SEED, MapType.ARRAY, 4, 8, 1)),
        map_refs=((0, _SEED), *((index + len(prefix), name) for index, name in spec.map_refs)),
    )
