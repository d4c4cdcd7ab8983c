"""Judge captured packets: by the interpreter, or by the very code that the kernel would run.

What the kernel cannot be asked is left to the interpreter, whose verdict is the same by
definition: packets too short, or too long, for a test run, and packets that were cut when
captured, where the expression asks for the length on the wire (to the kernel a packet is as long
as what there is of it). `Judge.interpreted` counts them.
Depends on ir, kernel, objects.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from netbpf.codegen.batch import Judgement
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Meta, MetaField, Program, Verdict
from netbpf.kernel import sockets
from netbpf.observe.capture import MAXIMUM_SNAPLEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from netbpf.asm.cbpf import Insn
    from netbpf.observe.capture import Record
    from netbpf.observe.pcap import PcapReader

_WMEM = 8 << 20  # bytes of datagrams under way; the kernel may grant less


class Judge(AbstractContextManager["Judge"], ABC):
    """Gives verdicts on packets of one link type; closes what it holds when left."""

    @property
    @abstractmethod
    def interpreted(self) -> int:
        """How many packets the interpreter has judged."""

    @abstractmethod
    def judge(self, records: Sequence[Record]) -> bytes:
        """Return a Judgement (MATCH or NO_MATCH) per packet, as a byte each."""


class FileJudge(Judge):
    """A judge that takes the records of an ordinary pcap file without unpacking them."""

    @abstractmethod
    def judge_file(self, reader: PcapReader) -> Iterator[Piece]:
        """Yield the verdicts on a file with plain records in host byte order, piece by piece."""


class Piece(Protocol):
    """Consecutive packets that were judged; good until the next piece is asked for."""

    @property
    def verdicts(self) -> bytes | bytearray:
        """A byte per packet: 1 where it matches, else 0."""

    def matching(self) -> Iterator[Record]:
        """Yield the packets that match."""


class Interpreter(Judge):
    """Judges by ir.interp."""

    def __init__(self, program: Program) -> None:
        self._count = 0
        self._run = Machine(program).run

    @property
    def interpreted(self) -> int:
        """How many packets were judged."""
        return self._count

    def judge(self, records: Sequence[Record]) -> bytes:
        """Return a Judgement per packet."""
        return bytes(map(self.one, records))

    def one(self, record: Record) -> bool:
        """Return whether one packet matches, and count it."""
        self._count += 1
        return self._run(Packet(record.data, record.length)) is Verdict.MATCH

    def __exit__(self, *_: object) -> None:
        pass


class SocketJudge(Judge):
    """Judges by a filter on one end of a pair of Unix datagram sockets.

    What matches arrives, in the order sent. Equal packets have equal verdicts, so what arrives is
    the first packet sent, behind the one that arrived before, that has these bytes.
    """

    def __init__(self, code: Sequence[Insn] | int, program: Program) -> None:
        """Attach classic instructions, or the program with a file descriptor."""
        self._interpreter = Interpreter(program)
        self._whole_only = reads_length(program)
        self._here, self._there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            if isinstance(code, int):
                sockets.attach_program(self._there, code)
            else:
                sockets.attach_classic(self._there, code)
        except BaseException:
            self.__exit__()
            raise
        self._here.setblocking(False)
        self._there.setblocking(False)
        self._here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WMEM)

    @property
    def interpreted(self) -> int:
        """How many packets the interpreter judged."""
        return self._interpreter.interpreted

    def judge(self, records: Sequence[Record]) -> bytes:
        """Return a Judgement per packet."""
        verdicts = bytearray(len(records))
        send, whole_only = self._here.send, self._whole_only
        under_way: list[int] = []
        for index, record in enumerate(records):
            if whole_only and record.length != len(record.data):
                verdicts[index] = self._interpreter.one(record)
                continue
            try:
                send(record.data)
            except BlockingIOError:  # the queue is full
                self._receive(records, under_way, verdicts)
                send(record.data)
            under_way.append(index)
        self._receive(records, under_way, verdicts)
        return bytes(verdicts)

    def _receive(
        self, records: Sequence[Record], under_way: list[int], verdicts: bytearray
    ) -> None:
        receive = self._there.recv
        sent = iter(under_way)
        try:
            while True:
                arrived = receive(MAXIMUM_SNAPLEN)
                for index in sent:
                    if records[index].data == arrived:
                        verdicts[index] = Judgement.MATCH
                        break
        except BlockingIOError:
            under_way.clear()

    def __exit__(self, *_: object) -> None:
        self._here.close()
        self._there.close()


def reads_length(program: Program) -> bool:
    """Whether a program asks for the packet's length on the wire."""
    return any(
        isinstance(insn, Meta) and insn.field is MetaField.LENGTH
        for block in program
        for insn in block.insns
    )
