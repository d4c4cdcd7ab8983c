"""The verdicts on a capture, in order and piece by piece, whatever its format and link types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from netbpf.errors import InputError
from netbpf.observe.judge import FileJudge, Judge, Piece
from netbpf.observe.pcap import PcapReader

if TYPE_CHECKING:
    from netbpf.observe.capture import CaptureReader, Record

_PIECE_RECORDS = 4096
_PIECE_BYTES = 4 << 20

JudgeFor = Callable[[int], Judge]
"""Gives the judge of a link type; asked again for the same one, it gives the same judge."""


class RecordPiece:
    """A piece whose packets are in memory one by one."""

    def __init__(self, records: list[Record], verdicts: bytes) -> None:
        self.verdicts = verdicts
        self._records = records

    def matching(self) -> Iterator[Record]:
        """Yield the packets that match."""
        pairs = zip(self._records, self.verdicts, strict=True)
        return (record for record, verdict in pairs if verdict)


def judged(reader: CaptureReader, judge_for: JudgeFor) -> Iterator[Piece]:
    """Yield the verdicts on all packets of a capture.

    Where the file is damaged, InputError comes after the verdicts on what was before the damage.
    """
    if isinstance(reader, PcapReader) and reader.header.plain and reader.header.native:
        judge = judge_for(reader.linktype)
        if isinstance(judge, FileJudge):
            yield from judge.judge_file(reader)
            return
    for records in _runs(reader):
        yield RecordPiece(records, judge_for(records[0].linktype).judge(records))


def _runs(reader: CaptureReader) -> Iterator[list[Record]]:
    """Yield consecutive packets of one link type, as many as are handy; an error comes last."""
    run: list[Record] = []
    size = 0
    packets = iter(reader)
    damage: InputError | None = None
    while damage is None:
        try:
            record = next(packets, None)
        except InputError as error:
            record, damage = None, error
        full = len(run) == _PIECE_RECORDS or size > _PIECE_BYTES
        if run and (record is None or full or record.linktype != run[0].linktype):
            yield run
            run, size = [], 0
        if record is None:
            break
        run.append(record)
        size += len(record.data)
    if damage is not None:
        raise damage
