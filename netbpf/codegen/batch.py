"""Wrap a filter so that it judges packet after packet from a buffer, without leaving the kernel.

The wrapper is a program of the filter's own type for BPF_PROG_TEST_RUN with `repeat`: each run
takes the next record from a shared buffer, makes it the packet, calls the filter's unchanged
instructions as a subprogram, and writes the verdict down. Records are those of a pcap file in host
byte order (16 bytes of header, then the captured bytes).

    batch.records  u32 filled at 0; records from RECORDS on
    batch.verdicts u32 position, u32 count, u32 length of the packet as it stands; a byte per
                   record from VERDICTS on

Depends on asm, spec. Source: net/bpf/test_run.c, bpf_helpers(7).
"""

from __future__ import annotations

from enum import IntEnum

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Code
from netbpf.asm.ebpf import Alu, Class, Insn, Jmp
from netbpf.asm.helpers import Helper
from netbpf.records import dataclass, replace
from netbpf.spec import MapSpec, ProgramSpec
from netbpf.uapi.bpf import MapFlag, MapType, ProgType

RECORDS = 16
VERDICTS = 16
RECORD_HEADER = 16
SHORTEST = 14  # the kernel refuses to make a packet shorter than an Ethernet header
LONGEST = {ProgType.XDP: 3400, ProgType.SCHED_CLS: 9216}
"""Captured bytes: what a page holds beside a test run's headroom and tailroom; jumbo frames."""

FIRST_LENGTH = 64
"""Of the packet that the first run begins with, bytes."""

RECORDS_MAP = "batch.records"
VERDICTS_MAP = "batch.verdicts"

_CONTEXT, _VERDICTS, _RECORD, _CAPTURED = 6, 7, 8, 9  # registers that calls preserve
_POSITION, _COUNT, _LENGTH = 0, 4, 8  # in the verdicts' header
_SLOT = -8  # stack: where the verdict goes
_SUBPROGRAM = 1  # BPF_PSEUDO_CALL


class Judgement(IntEnum):
    """The byte written for a record."""

    NO_MATCH = 0
    MATCH = 1
    UNJUDGED = 2  # the kernel cannot make such a packet: up to the caller


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch takes: bytes of records, their number, and how long each may be.

    With `whole_only` records that were cut when captured are left unjudged.
    """

    room: int
    count: int
    longest: int
    whole_only: bool


def batched(spec: ProgramSpec, *, match_code: int, limits: Limits) -> ProgramSpec:
    """Return `spec`, an XDP or tc program without counters, wrapped to judge many records.

    `match_code` is what it returns for a match. `limits.longest` is at most LONGEST of the type.
    """
    wrapper = _Wrapper(spec.type, match_code, limits)
    code = wrapper.build()
    here = len(code.insns)
    return replace(
        spec,
        name="netbpf_batch",
        insns=code.insns + spec.insns,
        spans=code.spans + spec.spans,
        map_refs=code.map_refs + tuple((index + here, name) for index, name in spec.map_refs),
        maps=(
            *spec.maps,
            _buffer(RECORDS_MAP, RECORDS + limits.room + RECORD_HEADER + limits.longest),
            _buffer(VERDICTS_MAP, VERDICTS + limits.count),
        ),
    )


def _buffer(name: str, size: int) -> MapSpec:
    return MapSpec(name, MapType.ARRAY, 4, size, 1, MapFlag.MMAPABLE)


class _Wrapper:
    """Builds the wrapper's instructions, in the order in which they run."""

    def __init__(self, kind: ProgType, match_code: int, limits: Limits) -> None:
        self._xdp = kind is ProgType.XDP
        self._match_code = match_code
        self._limits = limits
        self._asm = Assembler()
        self._idle = self._asm.label()  # nothing (more) to do
        self._done = self._asm.label()  # the verdict is written

    def build(self) -> Code:
        """Return the wrapper, to be followed directly by the filter."""
        asm = self._asm
        self._take_record()
        self._fit_length()
        self._copy()
        self._judge()
        asm.place(self._done)
        asm.place(self._idle)
        asm.emit(ebpf.mov(0, 0))
        asm.leave()
        return _with_call(asm.finish())

    def _take_record(self) -> None:
        """Find the next whole record, move on behind it, and call it unjudged so far."""
        asm, idle = self._asm, self._idle
        asm.emit(ebpf.mov_reg(_CONTEXT, 1))
        asm.load_map(_VERDICTS, VERDICTS_MAP, value=True)
        asm.load_map(_RECORD, RECORDS_MAP, value=True)
        asm.emit(
            ebpf.load(4, 1, _RECORD),  # r1: how far the buffer is filled
            ebpf.load(4, 2, _VERDICTS, _POSITION),  # r2: where the record is
            ebpf.load(4, 3, _VERDICTS, _COUNT),  # r3: its number
        )
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, 2, self._limits.room), idle)
        asm.jump_if(ebpf.jump_imm(Jmp.JGE, 3, self._limits.count), idle)
        asm.emit(ebpf.mov_reg(4, 2), ebpf.alu64(Alu.ADD, 4, RECORD_HEADER))
        asm.jump_if(ebpf.jump_reg(Jmp.JGT, 4, 1), idle)
        asm.emit(
            ebpf.alu64_reg(Alu.ADD, _RECORD, 2),
            ebpf.load(4, _CAPTURED, _RECORD, RECORDS + 8),
            ebpf.alu64_reg(Alu.ADD, 4, _CAPTURED),  # r4: where the next record is
        )
        asm.jump_if(ebpf.jump_reg(Jmp.JGT, 4, 1), idle)
        asm.emit(
            ebpf.store(4, _VERDICTS, _POSITION, 4),
            ebpf.mov_reg(4, 3),
            ebpf.alu64(Alu.ADD, 4, 1),
            ebpf.store(4, _VERDICTS, _COUNT, 4),
            ebpf.mov_reg(5, _VERDICTS),
            ebpf.alu64_reg(Alu.ADD, 5, 3),
            ebpf.store_imm(1, 5, VERDICTS, Judgement.UNJUDGED),
            ebpf.store(8, ebpf.FRAME_POINTER, _SLOT, 5),
        )

    def _fit_length(self) -> None:
        """Make the packet as long as the record; leave records unjudged that cannot be."""
        asm = self._asm
        asm.jump_if(ebpf.jump_imm(Jmp.JLT, _CAPTURED, SHORTEST), self._done)
        asm.jump_if(ebpf.jump_imm(Jmp.JGT, _CAPTURED, self._limits.longest), self._done)
        if self._limits.whole_only:
            asm.emit(ebpf.load(4, 1, _RECORD, RECORDS + 12))
            asm.jump_if(ebpf.jump_reg(Jmp.JNE, 1, _CAPTURED), self._done)
        asm.emit(ebpf.mov_reg(1, _CONTEXT), ebpf.mov_reg(2, _CAPTURED))
        if self._xdp:
            asm.emit(
                ebpf.load(4, 3, _VERDICTS, _LENGTH),
                ebpf.alu64_reg(Alu.SUB, 2, 3),
                ebpf.call(Helper.XDP_ADJUST_TAIL),
            )
        else:
            asm.emit(ebpf.mov(3, 0), ebpf.call(Helper.SKB_CHANGE_TAIL))
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), self._done)
        asm.emit(ebpf.store(4, _VERDICTS, _LENGTH, _CAPTURED))

    def _copy(self) -> None:
        """Copy the captured bytes to the packet."""
        asm = self._asm
        asm.emit(
            ebpf.mov_reg(1, _CONTEXT),
            ebpf.mov(2, 0),
            ebpf.mov_reg(3, _RECORD),
            ebpf.alu64(Alu.ADD, 3, RECORDS + RECORD_HEADER),
            ebpf.mov_reg(4, _CAPTURED),
        )
        if self._xdp:
            asm.emit(ebpf.call(Helper.XDP_STORE_BYTES))
        else:
            asm.emit(ebpf.mov(5, 0), ebpf.call(Helper.SKB_STORE_BYTES))
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, 0), self._done)

    def _judge(self) -> None:
        """Run the filter and write its verdict."""
        asm, unequal = self._asm, self._asm.label()
        asm.emit(
            ebpf.mov_reg(1, _CONTEXT),
            _CALL,
            ebpf.load(8, 5, ebpf.FRAME_POINTER, _SLOT),
            ebpf.store_imm(1, 5, VERDICTS, Judgement.NO_MATCH),
        )
        asm.jump_if(ebpf.jump_imm(Jmp.JNE, 0, self._match_code), unequal)
        asm.emit(ebpf.store_imm(1, 5, VERDICTS, Judgement.MATCH))
        asm.place(unequal)


_CALL = Insn(Class.JMP | Jmp.CALL, 0, _SUBPROGRAM, 0, 0)


def _with_call(code: Code) -> Code:
    """Aim the call at what follows the code."""
    at = code.insns.index(_CALL)
    aimed = _CALL._replace(imm=len(code.insns) - at - 1)
    return replace(code, insns=(*code.insns[:at], aimed, *code.insns[at + 1 :]))
