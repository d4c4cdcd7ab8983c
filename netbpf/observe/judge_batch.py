"""Judge captured packets by test runs of an XDP or tc program, many packets per system call.

codegen.batch describes the wrapper and its buffers. The records of an ordinary pcap file go into
the shared buffer as the file holds them; Python touches none of them one by one.
Depends on codegen, objects, observe.
"""

from __future__ import annotations

import mmap
from contextlib import ExitStack
from errno import E2BIG, EINVAL, EMSGSIZE
from struct import Struct
from typing import TYPE_CHECKING

from netbpf.codegen import batch
from netbpf.codegen.batch import RECORD_HEADER, RECORDS, VERDICTS, Judgement, Limits
from netbpf.errors import KernelError
from netbpf.objects import Program
from netbpf.observe.capture import MAXIMUM_SNAPLEN, Record
from netbpf.observe.judge import FileJudge, Interpreter, Judge, reads_length
from netbpf.observe.pcap import HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netbpf import ir
    from netbpf.observe.pcap import PcapReader
    from netbpf.spec import ProgramSpec

_ROOM = 32 << 20  # a test run of an XDP program costs some 20 ms, however many packets it takes
_OLD_ROOM = 3 << 20  # before Linux 6.0 an array's value is at most 4 MiB
_USUAL_RECORD = RECORD_HEADER + 60
_SHORTEST_RECORD = RECORD_HEADER + batch.SHORTEST

_WORD = Struct("=I")
_RECORD = Struct("=IIII")
_STATE = Struct("=III")


class BatchJudge(FileJudge):
    """Judges by BPF_PROG_TEST_RUN of a program wrapped by codegen.batch.

    `program` is the same filter for the interpreter. Raises the errors of objects.Program.load:
    for XDP the wrapper needs Linux 5.18.
    """

    def __init__(
        self,
        spec: ProgramSpec,
        program: ir.program.Program,
        *,
        match_code: int,
        snaplen: int = MAXIMUM_SNAPLEN,
    ) -> None:
        self._interpreter = Interpreter(program)
        whole_only = reads_length(program)
        longest = min(snaplen, batch.LONGEST[spec.type])
        try:
            self._run = _TestRun(spec, match_code, _limits(_ROOM, longest, whole_only))
        except KernelError as error:
            if error.errno != E2BIG:
                raise
            self._run = _TestRun(spec, match_code, _limits(_OLD_ROOM, longest, whole_only))

    @property
    def interpreted(self) -> int:
        """How many packets the interpreter judged."""
        return self._interpreter.interpreted

    def judge(self, records: Sequence[Record]) -> bytes:
        """Return a Judgement per packet."""
        room, view = self._run.limits.room, self._run.records
        verdicts = bytearray()
        at = 0
        for record in records:
            size = len(record.data)
            if at + RECORD_HEADER + size > room:
                verdicts += self._run(at)[0]
                at = 0
            _RECORD.pack_into(view, at, 0, 0, size, record.length)
            at += RECORD_HEADER
            view[at : at + size] = record.data
            at += size
        verdicts += self._run(at)[0]
        for index in _unjudged(verdicts):
            verdicts[index] = self._interpreter.one(records[index])
        return bytes(verdicts)

    def judge_file(self, reader: PcapReader) -> Iterator[FilePiece]:
        """Yield the verdicts on a file with plain records in host byte order, piece by piece.

        A piece is good until the next is asked for.
        """
        view = self._run.records
        offset, held = HEADER_SIZE, 0  # of the buffer's start in the file; bytes in the buffer
        while True:
            read = _fill(reader, view[held : self._run.limits.room])
            held += read
            verdicts, taken = self._run(held)
            if verdicts:
                yield self._judged(FilePiece(reader, view, verdicts))
            elif not read:
                break
            rest = bytes(view[taken:held])
            view[: len(rest)] = rest
            offset, held = offset + taken, len(rest)
            if held >= RECORD_HEADER:
                reader.check(_captured(view, 0), offset)
        if held:
            raise reader.cut(offset)

    def _judged(self, piece: FilePiece) -> FilePiece:
        unjudged = _unjudged(piece.verdicts)
        if unjudged:
            wanted = set(unjudged)
            for index, record in piece.records(wanted):
                piece.verdicts[index] = self._interpreter.one(record)
        return piece

    def __exit__(self, *_: object) -> None:
        self._run.close()


class PacketJudge(Judge):
    """Judges by a test run per packet: slower, but on every kernel.

    `program` is the same filter for the interpreter, which judges what the kernel refuses.
    """

    def __init__(self, spec: ProgramSpec, program: ir.program.Program, *, match_code: int) -> None:
        self._interpreter = Interpreter(program)
        self._whole_only = reads_length(program)
        self._match_code = match_code
        self._program = Program.load(spec)

    @property
    def interpreted(self) -> int:
        """How many packets the interpreter judged."""
        return self._interpreter.interpreted

    def judge(self, records: Sequence[Record]) -> bytes:
        """Return a Judgement per packet."""
        return bytes(map(self._one, records))

    def _one(self, record: Record) -> bool:
        if self._whole_only and record.length != len(record.data):
            return self._interpreter.one(record)
        try:
            return self._program.test_run(record.data).retval == self._match_code
        except KernelError as error:
            if error.errno not in (EINVAL, EMSGSIZE):  # the latter before Linux 5.18
                raise
            return self._interpreter.one(record)

    def __exit__(self, *_: object) -> None:
        self._program.close()


class FilePiece:
    """Consecutive records in the buffer, and the verdicts on them, a Judgement each."""

    def __init__(self, reader: PcapReader, view: memoryview, verdicts: bytearray) -> None:
        self.verdicts = verdicts
        self._reader = reader
        self._view = view

    def matching(self) -> Iterator[Record]:
        """Yield the packets that match."""
        wanted = {index for index, verdict in enumerate(self.verdicts) if verdict}
        return (record for _, record in self.records(wanted))

    def records(self, wanted: set[int]) -> Iterator[tuple[int, Record]]:
        """Yield the packets with the numbers `wanted`, with their numbers, in order."""
        at = 0
        for index in range(len(self.verdicts)):
            size = RECORD_HEADER + _captured(self._view, at)
            if index in wanted:
                yield index, self._reader.record(bytes(self._view[at : at + size]))
            at += size


class _TestRun:
    """The loaded wrapper and its two buffers. Called, it judges the records in the buffer."""

    def __init__(self, spec: ProgramSpec, match_code: int, limits: Limits) -> None:
        self.limits = limits
        wrapped = batch.batched(spec, match_code=match_code, limits=limits)
        with ExitStack() as stack:
            self._program = stack.enter_context(Program.load(wrapped))
            whole = _mapped(stack, self._program, batch.RECORDS_MAP)
            self._filled = stack.enter_context(whole[:RECORDS])
            self.records = stack.enter_context(whole[RECORDS:])
            self._verdicts = _mapped(stack, self._program, batch.VERDICTS_MAP)
            self._owned = stack.pop_all()

    def __call__(self, filled: int) -> tuple[bytearray, int]:
        """Return a Judgement for each whole record in `filled` bytes, and how many bytes these are.

        It may stop earlier, when there are many very short ones.
        """
        _WORD.pack_into(self._filled, 0, filled)
        position = count = 0
        repeat = filled // _USUAL_RECORD + 1
        while filled - position >= RECORD_HEADER:
            _STATE.pack_into(self._verdicts, 0, position, count, batch.FIRST_LENGTH)
            self._program.test_run(bytes(batch.FIRST_LENGTH), repeat=repeat)
            before = count
            position, count, _ = _STATE.unpack_from(self._verdicts, 0)
            if count - before < repeat:
                break
        return bytearray(self._verdicts[VERDICTS : VERDICTS + count]), position

    def close(self) -> None:
        self._owned.close()


def _mapped(stack: ExitStack, program: Program, name: str) -> memoryview:
    """Return a map's memory; it is unmapped with the stack."""
    the_map = program.maps[name]
    memory = stack.enter_context(mmap.mmap(the_map.fd, the_map.info.value_size))
    return stack.enter_context(memoryview(memory))


def _limits(room: int, longest: int, whole_only: bool) -> Limits:
    return Limits(room, room // _SHORTEST_RECORD, longest, whole_only)


def _fill(reader: PcapReader, view: memoryview) -> int:
    """Read until the buffer is full or the file ends; a pipe gives little at a time."""
    filled = 0
    while filled < len(view):
        read = reader.source.readinto(view[filled:])
        if read == 0:
            break
        filled += read
    return filled


def _captured(view: memoryview, at: int) -> int:
    captured: int = _WORD.unpack_from(view, at + 8)[0]
    return captured


def _unjudged(verdicts: bytearray) -> list[int]:
    if Judgement.UNJUDGED not in verdicts:
        return []
    return [index for index, verdict in enumerate(verdicts) if verdict == Judgement.UNJUDGED]
