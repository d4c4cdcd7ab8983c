"""H: what one look-up in a BPF hash map of 1,000 entries takes, the unit of larger figures."""

from __future__ import annotations

from netbpf.asm import ebpf
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Insn
from netbpf.asm.helpers import Helper
from netbpf.observe.timing import Packets, time_rounds
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapType, ProgType, PseudoSrc

_TABLE, _SEED = "table", "seed"
_ENTRIES = 1000
_BITS = 10  # of a key: 24 of 1,024 are not in the table


def time_lookup() -> float:
    """Return the nanoseconds that a look-up adds to drawing a key at random."""
    specs = {"draw": _spec(look_up=False), "look up": _spec(look_up=True)}
    _, found = time_rounds(specs, Packets(bytes(60)))
    return found["look up"].least - found["draw"].least


def _spec(*, look_up: bool) -> ProgramSpec:
    draw: tuple[Insn, ...] = (
        *ebpf.load_imm64(6, 0, src=PseudoSrc.MAP_VALUE),
        ebpf.load(8, 2, 6, 0),
        *ebpf.load_imm64(3, 0x4C957F2D, 0x5851F42D),  # Knuth's MMIX
        ebpf.alu64_reg(Alu.MUL, 2, 3),
        ebpf.alu64(Alu.ADD, 2, 1),
        ebpf.store(8, 6, 0, 2),
        ebpf.alu64(Alu.RSH, 2, 64 - _BITS),
        ebpf.store(4, FRAME_POINTER, -8, 2),
    )
    table: tuple[Insn, ...] = (
        *ebpf.load_imm64(1, 0, src=PseudoSrc.MAP_FD),
        ebpf.mov_reg(2, FRAME_POINTER),
        ebpf.alu64(Alu.ADD, 2, -8),
        ebpf.call(Helper.MAP_LOOKUP_ELEM),
    )
    refs = [(0, _SEED), *([(len(draw), _TABLE)] if look_up else [])]
    keys = ((n.to_bytes(4, "little"), bytes(4)) for n in range(_ENTRIES))
    return ProgramSpec(
        name="lookup",
        type=ProgType.XDP,
        attach_type=None,
        insns=(*draw, *(table if look_up else ()), ebpf.mov(0, 2), ebpf.leave()),
        maps=(
            MapSpec(_SEED, MapType.ARRAY, 4, 8, 1),
            MapSpec(_TABLE, MapType.HASH, 4, 4, _ENTRIES, init=tuple(keys)),
        ),
        map_refs=tuple(refs),
    )
