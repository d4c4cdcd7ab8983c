"""Read and write capture files of either kind, told apart by their first bytes.

A `Record` is one captured packet; readers are iterated once and hold no more than a piece of the
file in memory. `pcap` and `pcapng` know the formats.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from netbpf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

MAXIMUM_SNAPLEN = 262144
"""Captured bytes of one packet that are believed; what libpcap believes."""

PIECE = 1 << 20
"""Bytes asked for at a time."""


class Record(NamedTuple):
    """A packet as a file holds it.

    `length` is its length on the wire in bytes, `time` nanoseconds since 1970 (0 when the file
    tells none), `linktype` a LINKTYPE_ number, which need not be one that netbpf can filter.
    """

    data: bytes
    length: int
    time: int
    linktype: int


class CaptureReader(Protocol):
    """What the readers of both formats have in common; iterated once."""

    @property
    def linktype(self) -> int | None:
        """The first (pcap: the only) link type; None while no interface was described yet."""

    @property
    def snaplen(self) -> int:
        """The most captured bytes of a packet, of the first interface."""

    @property
    def nanoseconds(self) -> bool:
        """Whether times are finer than microseconds, as far as has been read."""

    def __iter__(self) -> Iterator[Record]: ...


class ByteSource:
    """A file or standard input, read forwards in pieces; closes what it opened.

    Errors of the operating system become InputError, with the file's name.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == "-" else path
        try:
            self._file = io.FileIO(0 if path == "-" else path, "r", closefd=path != "-")
        except OSError as error:
            raise InputError(f"cannot open {path}: {os.strerror(error.errno or 0)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()  # standard input stays open

    def read(self, size: int = PIECE) -> bytes:
        """Return up to `size` bytes, b'' at the end only."""
        try:
            return self._file.read(size)
        except OSError as error:
            raise self.fault(f"cannot be read: {os.strerror(error.errno or 0)}") from error

    def readinto(self, view: memoryview) -> int:
        """Fill a buffer as far as one read goes; 0 at the end only."""
        try:
            return self._file.readinto(view) or 0
        except OSError as error:
            raise self.fault(f"cannot be read: {os.strerror(error.errno or 0)}") from error

    def fault(self, message: str) -> InputError:
        """Return an error that names this file."""
        return InputError(f"{self.name}: {message}")

    def same_file(self, path: str) -> bool:
        """Whether `path` is the very file that is being read."""
        try:
            ours, theirs = os.fstat(self._file.fileno()), Path(path).stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def open_capture(source: ByteSource) -> CaptureReader:
    """Return the reader that fits the first bytes of `source`.

    Raises InputError if it is neither format, and says what it is where that is easily seen.
    """
    from netbpf.observe.pcap import PcapReader, is_pcap
    from netbpf.observe.pcapng import SECTION_HEADER_BYTES, PcapngReader

    head = read_exactly(source, 4)
    if head == SECTION_HEADER_BYTES:
        return PcapngReader(source, head)
    if is_pcap(head):
        return PcapReader(source, head)
    raise source.fault(_not_a_capture(head))


def read_exactly(source: ByteSource, size: int, head: bytes = b"") -> bytes:
    """Read until `head` has `size` bytes, or the source ends."""
    while len(head) < size:
        more = source.read(size - len(head))
        if not more:
            break
        head += more
    return head


def _not_a_capture(head: bytes) -> str:
    compressed = {b"\x1f\x8b": "zcat", b"BZ": "bzcat", b"\xfd7": "xzcat", b"\x28\xb5": "zstdcat"}
    if not head:
        return "is empty, not a capture file"
    if head[:2] in compressed:
        return f"is compressed; read it through: {compressed[head[:2]]} FILE | netbpf … -r -"
    if len(head) < 4:
        return f"has only {len(head)} bytes, too few for a capture file"
    return f"is neither a pcap nor a pcapng file (it begins with {head.hex()})"
