"""The loop around a program: that each round runs it, on the packet that it is meant to have."""

from __future__ import annotations

import struct

import pytest

from netbpf.asm import ebpf
from netbpf.asm.ebpf import Insn, Jmp
from netbpf.codegen.rounds import DRAWN, ROUNDS_MAP, State, looped
from netbpf.errors import CodeSizeError
from netbpf.kernel import testrun
from netbpf.objects import Program
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapType, ProgType, PseudoSrc

ROUNDS = 1000
COUNTED = "counted"
MAY_GOTO = pytest.mark.needs_kernel("loops by may_goto", since="6.9")


def spec(*insns: Insn, refs: tuple[tuple[int, str], ...] = ()) -> ProgramSpec:
    maps = (MapSpec(COUNTED, MapType.ARRAY, 4, 8, 1),) if refs else ()
    return ProgramSpec("test", ProgType.XDP, None, insns, maps, refs)


def first_byte() -> tuple[Insn, ...]:
    """Return the packet's first byte, 0 for none: a program with two exits."""
    return (
        ebpf.load(4, 2, 1, 0),
        ebpf.load(4, 3, 1, 4),
        ebpf.mov_reg(4, 2),
        ebpf.alu64(ebpf.Alu.ADD, 4, 1),
        ebpf.mov(0, 0),
        ebpf.jump_reg(Jmp.JLE, 4, 3, 1),
        ebpf.leave(),
        ebpf.load(1, 0, 2, 0),
        ebpf.leave(),
    )


def run(
    program: Program, data: bytes, state: State, starts: tuple[int, ...] = ()
) -> tuple[State, testrun.Outcome]:
    program.maps[ROUNDS_MAP].update(bytes(4), state.pack(starts))
    outcome = program.test_run(data)
    value = program.maps[ROUNDS_MAP].lookup(bytes(4))
    assert value is not None
    return State.unpack(value), outcome


@pytest.mark.root
@MAY_GOTO
def test_every_round_runs_the_program_and_adds_up_what_it_returns() -> None:
    with Program.load(looped(spec(*first_byte()))) as program:
        for byte in (0, 7, 255):
            state, _ = run(program, bytes([byte]) + bytes(59), State(ROUNDS))
            assert (state.left, state.sum) == (0, byte * ROUNDS)


@pytest.mark.root
@MAY_GOTO
def test_packets_are_drawn_from_all_places_alike() -> None:
    starts = tuple(range(0, 15 * DRAWN, 15))
    data = bytearray(15 * DRAWN + 14)
    for number, start in enumerate(starts):
        data[start] = number
    with Program.load(looped(spec(*first_byte()), draw=True)) as program:
        means = set()
        for seed in range(3):
            state, _ = run(program, bytes(data), State(ROUNDS * 100, seed=seed), starts)
            assert state.left == 0
            assert state.seed != seed
            assert state.at in starts
            means.add(state.sum / (ROUNDS * 100))
    assert len(means) == 3
    assert all(abs(mean - (DRAWN - 1) / 2) < 1 for mean in means)


@pytest.mark.root
@MAY_GOTO
def test_a_program_keeps_its_maps_and_its_long_way() -> None:
    counting = (
        *ebpf.load_imm64(1, 0, src=PseudoSrc.MAP_VALUE),
        ebpf.load(8, 2, 1, 0),
        ebpf.alu64(ebpf.Alu.ADD, 2, 1),
        ebpf.store(8, 1, 0, 2),
        ebpf.jump_imm(Jmp.JNE, 2, 5, 2),
        ebpf.mov(0, 1),
        ebpf.leave(),
        *[ebpf.mov(0, 2)] * 40_000,  # farther than 16 bits jump
        ebpf.leave(),
    )
    with Program.load(looped(spec(*counting, refs=((0, COUNTED),)))) as program:
        state, _ = run(program, bytes(60), State(10))
        assert state.sum == 9 * 2 + 1
        value = program.maps[COUNTED].lookup(bytes(4))
        assert value is not None
        assert struct.unpack("=Q", value) == (10,)


def test_a_program_that_needs_the_stack_is_refused() -> None:
    deep = (ebpf.store_imm(8, ebpf.FRAME_POINTER, -456, 0), ebpf.mov(0, 0), ebpf.leave())
    with pytest.raises(CodeSizeError):
        looped(spec(*deep))
    pointed = (
        ebpf.mov_reg(2, ebpf.FRAME_POINTER),
        ebpf.alu64(ebpf.Alu.ADD, 2, -456),
        ebpf.mov(0, 0),
        ebpf.leave(),
    )
    with pytest.raises(CodeSizeError):
        looped(spec(*pointed))


def test_few_places_are_repeated_until_there_are_enough() -> None:
    value = State(1).pack((3, 5))
    assert struct.unpack_from(f"={DRAWN}I", value, 32) == (3, 5) * (DRAWN // 2)
