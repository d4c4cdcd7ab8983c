"""Wrap a program so that one test run executes it many times over, to be timed.

    read the state
    a round left?  else write the state, end
    move to a packet drawn at random
    the program, whose `exit` leads to
    add up what it returned, and again

The program's instructions stand in the loop as they are: a call costs more than most filters.
Packets that are *drawn* lie one behind the other in the buffer, and bpf_xdp_adjust_head moves to
the first byte of one (XDP only); else each round has the packet of the run.

    bench.rounds  the fields of State, a u64 each, then where each packet begins, a u32 each

Needs `may_goto` (Linux 6.9): the verifier follows a counted loop round by round.
Depends on asm, spec. Source: kernel/bpf/verifier.c, net/core/filter.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from netbpf.asm import ebpf
from netbpf.asm.ebpf import FRAME_POINTER, Alu, Class, Insn, Jmp
from netbpf.asm.helpers import Helper
from netbpf.errors import CodeSizeError, Span
from netbpf.records import dataclass, replace
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapType, PseudoSrc

ROUNDS_MAP = "bench.rounds"
DRAWN = 64
"""How many places packets are drawn from: a power of two, so that random bits are a number."""

_STATE, _STARTS = Struct("=QQQQ"), Struct(f"={DRAWN}I")
_VALUE = 9  # the register with the map's value, before and after the loop
_CTX, _LEFT, _SUM, _SEED, _AT = (-456 - 8 * n for n in range(5))  # on the stack
_DEEPEST = -448  # what the program may use; below our slots `may_goto` has 16 bytes
_MULTIPLIER = 6364136223846793005  # of a linear congruential generator (Knuth's MMIX)
_MAY_GOTO = 0xE5  # BPF_JMP | BPF_JCOND
_EXIT = ebpf.leave()


@dataclass(frozen=True, slots=True)
class State:
    """What a run begins with, and what it leaves behind.

    `left` counts the rounds down, `sum` adds up what the program returned (modulo 2^64); `at` is
    where the packet begins that the last round had.
    """

    left: int
    sum: int = 0
    seed: int = 0
    at: int = 0

    def pack(self, starts: Sequence[int] = ()) -> bytes:
        """Return the map's value; `starts` are where packets begin, at most DRAWN of them."""
        places = (tuple(starts) or (0,)) * DRAWN
        fields = _STATE.pack(self.left, self.sum, self.seed, self.at)
        return fields + _STARTS.pack(*places[:DRAWN])

    @classmethod
    def unpack(cls, value: bytes) -> State:
        """Read the map's value."""
        return cls(*_STATE.unpack_from(value))


def looped(spec: ProgramSpec, *, draw: bool = False) -> ProgramSpec:
    """Return `spec` as the body of a loop. Raises CodeSizeError where it uses all of the stack.

    A program that ends other than by `exit` (LD_ABS outside the packet does) ends the run, and the
    map stays as it was.
    """
    if _deepest(spec.insns) < _DEEPEST:
        raise CodeSizeError(
            "the program leaves no stack for a loop around it",
            text=spec.text,
            span=Span(0, len(spec.text)),
        )
    first, head, tail, last = _first(), _head(draw=draw), _tail(), _last()
    start = len(first)
    body = start + len(head)
    back = body + len(spec.insns) + len(tail)
    head[_OUT] = _far(start + _OUT, back + 1)
    insns = (
        *first,
        *head,
        *_open_ended(spec.insns),
        *tail,
        _far(back, start),
        *last,
    )
    ours = [index for index, insn in enumerate(insns) if _is_ours(insn, index, body, back)]
    return replace(
        spec,
        name="netbpf_bench",
        insns=insns,
        spans=(),
        maps=(*spec.maps, MapSpec(ROUNDS_MAP, MapType.ARRAY, 4, _STATE.size + _STARTS.size, 1)),
        map_refs=(
            *((index, ROUNDS_MAP) for index in ours),
            *((index + body, name) for index, name in spec.map_refs),
        ),
    )


# -- the parts, in the order in which they run -----------------------------------------------------


def _first() -> list[Insn]:
    """Read the state. It comes from a map, so to the verifier all of it may be any number."""
    code = [ebpf.store(8, FRAME_POINTER, _CTX, 1), *_load_value(_VALUE)]
    for offset, slot in enumerate((_LEFT, _SUM, _SEED, _AT)):
        code += [ebpf.load(8, 1, _VALUE, 8 * offset), ebpf.store(8, FRAME_POINTER, slot, 1)]
    return code


_OUT = 3  # where in the head the jump to the end is


def _head(*, draw: bool) -> list[Insn]:
    return [
        Insn(_MAY_GOTO, 0, 0, 2, 0),
        ebpf.load(8, 1, FRAME_POINTER, _LEFT),
        ebpf.jump_imm(Jmp.JNE, 1, 0, 1),
        ebpf.jump(),
        ebpf.alu64(Alu.SUB, 1, 1),
        ebpf.store(8, FRAME_POINTER, _LEFT, 1),
        *(_draw() if draw else ()),
        ebpf.load(8, 1, FRAME_POINTER, _CTX),
    ]


def _draw() -> tuple[Insn, ...]:
    """Move the packet's first byte to that of another packet."""
    low, high = _MULTIPLIER & 0xFFFFFFFF, _MULTIPLIER >> 32
    return (
        ebpf.load(8, 2, FRAME_POINTER, _SEED),
        *ebpf.load_imm64(3, low, high),
        ebpf.alu64_reg(Alu.MUL, 2, 3),
        ebpf.alu64(Alu.ADD, 2, 1),
        ebpf.store(8, FRAME_POINTER, _SEED, 2),
        ebpf.alu64(Alu.RSH, 2, 64 - (DRAWN - 1).bit_length()),
        ebpf.alu64(Alu.LSH, 2, 2),
        *_load_value(3),
        ebpf.alu64_reg(Alu.ADD, 3, 2),
        ebpf.load(4, 2, 3, _STATE.size),
        ebpf.load(8, 3, FRAME_POINTER, _AT),
        ebpf.store(8, FRAME_POINTER, _AT, 2),
        ebpf.alu64_reg(Alu.SUB, 2, 3),
        ebpf.load(8, 1, FRAME_POINTER, _CTX),
        ebpf.call(Helper.XDP_ADJUST_HEAD),
    )


def _open_ended(insns: Sequence[Insn]) -> list[Insn]:
    """Let each `exit` lead behind the instructions."""
    size = len(insns)
    return [_far(index, size) if insn == _EXIT else insn for index, insn in enumerate(insns)]


def _tail() -> list[Insn]:
    return [
        ebpf.load(8, 1, FRAME_POINTER, _SUM),
        ebpf.alu64_reg(Alu.ADD, 1, 0),
        ebpf.store(8, FRAME_POINTER, _SUM, 1),
    ]


def _last() -> list[Insn]:
    """Write the state."""
    code = [*_load_value(_VALUE)]
    for offset, slot in enumerate((_LEFT, _SUM, _SEED, _AT)):
        code += [ebpf.load(8, 1, FRAME_POINTER, slot), ebpf.store(8, _VALUE, 8 * offset, 1)]
    return [*code, ebpf.mov(0, 0), ebpf.leave()]


def _load_value(dst: int) -> tuple[Insn, ...]:
    return ebpf.load_imm64(dst, 0, src=PseudoSrc.MAP_VALUE)


def _far(here: int, target: int) -> Insn:
    """Jump by 32 bits (Linux 6.6): a body may be longer than 16 bits reach."""
    return Insn(Class.JMP32 | Jmp.JA, 0, 0, 0, target - here - 1)


def _is_ours(insn: Insn, index: int, body: int, back: int) -> bool:
    outside = not body <= index < back
    return outside and ebpf.is_wide(insn) and insn.src == PseudoSrc.MAP_VALUE


def _deepest(insns: Sequence[Insn]) -> int:
    """Return the lowest offset from r10 that the instructions show."""
    lowest = 0
    pointers = [
        index for index, insn in enumerate(insns) if insn.code == _MOV and insn.src == FRAME_POINTER
    ]
    for index in pointers:  # r2 = r10, r2 += imm
        following = insns[index + 1]
        if following.code == _ADD and following.dst == insns[index].dst:
            lowest = min(lowest, following.imm)
    for insn in insns:
        kind = insn.code & 7
        base = insn.src if kind == Class.LDX else insn.dst
        if kind in (Class.LDX, Class.ST, Class.STX) and base == FRAME_POINTER:
            lowest = min(lowest, insn.off)
    return lowest


_MOV = ebpf.mov_reg(0, 0).code
_ADD = ebpf.alu64(Alu.ADD, 0, 0).code
