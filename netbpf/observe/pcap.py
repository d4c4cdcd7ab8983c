"""Read and write pcap files (draft-ietf-opsawg-pcap), as streams.

Read are both byte orders, microseconds and nanoseconds, the old versions whose length fields
stand the other way round, and the "modified" format with longer record headers. Written is
version 2.4 in the machine's own byte order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple

from netbpf.errors import InputError
from netbpf.observe.capture import MAXIMUM_SNAPLEN, ByteSource, Record, read_exactly

MICROSECONDS = 0xA1B2C3D4
NANOSECONDS = 0xA1B23C4D
MODIFIED = 0xA1B2CD34  # record headers carry 8 more bytes: interface, protocol, packet type
HEADER_SIZE = 24
RECORD_SIZE = 16

_NATIVE = "<" if sys.byteorder == "little" else ">"
_OTHER = ">" if sys.byteorder == "little" else "<"
_LINKTYPE_BITS = 0x0000FFFF  # above: reserved, and the length of a frame check sequence
_RESERVED_BITS = 0x03FF0000
_ETHERNET = 1
_RAW = 101
_RAW_ALIASES = (12, 14)  # DLT_RAW of Linux and of OpenBSD, found in files of careless writers


class FileHeader(NamedTuple):
    """The file header, as far as it matters. `order` is struct's '<' or '>'."""

    order: str
    magic: int
    version: tuple[int, int]
    snaplen: int
    linktype: int

    @property
    def record_size(self) -> int:
        """Bytes of the header before each packet."""
        return RECORD_SIZE + (8 if self.magic == MODIFIED else 0)

    @property
    def plain(self) -> bool:
        """Whether records are the usual 16 bytes with the captured length first."""
        return self.magic != MODIFIED and self.version == (2, 4)

    @property
    def native(self) -> bool:
        """Whether numbers are in the machine's own byte order."""
        return self.order == _NATIVE


def is_pcap(head: bytes) -> bool:
    """Whether the first four bytes are those of a pcap file that can be read."""
    magics = (MICROSECONDS, NANOSECONDS, MODIFIED)
    return int.from_bytes(head, "little") in magics or int.from_bytes(head, "big") in magics


def canonical_linktype(number: int) -> int:
    """Return the LINKTYPE_ number for a number found in a file."""
    return _RAW if number in _RAW_ALIASES else number


def parse_header(source: ByteSource, head: bytes) -> FileHeader:
    """Read the file header, of which `head` was read before."""
    raw = read_exactly(source, HEADER_SIZE, head)
    if len(raw) < HEADER_SIZE:
        raise source.fault(f"ends within the file header, at byte {len(raw)} of {HEADER_SIZE}")
    native = Struct(_NATIVE + "I").unpack_from(raw)[0] in (MICROSECONDS, NANOSECONDS, MODIFIED)
    order = _NATIVE if native else _OTHER
    magic, major, minor, _zone, _sigfigs, snaplen, network = Struct(order + "IHHiIII").unpack(raw)
    if not (major == 2 and minor <= 4) and (major, minor) != (543, 0):
        raise source.fault(f"has the unknown pcap version {major}.{minor}")
    if network & _RESERVED_BITS:
        raise source.fault(f"sets reserved bits of the link type field ({network:#010x})")
    linktype = canonical_linktype(network & _LINKTYPE_BITS)
    if not 0 < snaplen <= MAXIMUM_SNAPLEN:
        snaplen = MAXIMUM_SNAPLEN
    if magic == MODIFIED and linktype == _ETHERNET:
        snaplen += 14  # such files may hold "cooked" packets with a made-up Ethernet header
    return FileHeader(order, magic, (major, minor), snaplen, linktype)


class PcapReader:
    """The packets of a pcap file, in order, once.

    A file that ends within a record, or a record that cannot be, raises InputError with the
    record's byte offset, after all packets before it were yielded.
    """

    def __init__(self, source: ByteSource, head: bytes = b"") -> None:
        self.source = source
        self.header = parse_header(source, head)
        self.linktype = self.header.linktype
        self.snaplen = self.header.snaplen
        self.nanoseconds = self.header.magic == NANOSECONDS

    def __iter__(self) -> Iterator[Record]:
        header = self.header
        unpack = Struct(header.order + "IIII").unpack_from
        skip, snaplen, linktype = header.record_size, header.snaplen, header.linktype
        scale = 1 if self.nanoseconds else 1000
        plain = header.plain
        new = tuple.__new__  # half the time of Record(…)
        base, at, buffer = HEADER_SIZE, 0, b""
        while True:
            end = len(buffer)
            while at + skip <= end:
                seconds, fraction, captured, length = unpack(buffer, at)
                if not plain and self._lengths_swapped(captured, length):
                    captured, length = length, captured
                if captured > snaplen:
                    self.check(captured, base + at)
                start = at + skip
                if start + captured > end:
                    break
                data = buffer[start : start + min(captured, snaplen)]
                time = seconds * 1_000_000_000 + fraction * scale
                yield new(Record, (data, length, time, linktype))
                at = start + captured
            piece = self.source.read()
            if not piece:
                break
            base, at, buffer = base + at, 0, buffer[at:] + piece
        if at < end:
            raise self.cut(base + at)

    def record(self, raw: bytes) -> Record:
        """Return the packet of one `plain` record, whose header is in host byte order."""
        seconds, fraction, _, length = Struct("=IIII").unpack_from(raw)
        time = seconds * 1_000_000_000 + fraction * (1 if self.nanoseconds else 1000)
        return Record(raw[RECORD_SIZE:][: self.snaplen], length, time, self.linktype)

    def check(self, captured: int, offset: int) -> None:
        """Raise InputError if the record at `offset` cannot be that long."""
        if captured > MAXIMUM_SNAPLEN:
            raise self.source.fault(
                f"has an impossible packet record at byte {offset}: {captured} captured bytes"
            )

    def cut(self, offset: int) -> InputError:
        """Return the error for a file that ends within the record at `offset`."""
        return self.source.fault(f"ends within the packet record at byte {offset}")

    def _lengths_swapped(self, captured: int, length: int) -> bool:
        """Before version 2.3 the wire length came first; 2.3 was written both ways."""
        version = self.header.version
        if version == (2, 3):
            return captured > length
        return version == (543, 0) or version < (2, 3)


class PcapWriter:
    """Write packets to a binary file; the caller closes it."""

    def __init__(
        self, file: BinaryIO, *, linktype: int, snaplen: int, nanoseconds: bool = False
    ) -> None:
        self._write = file.write
        self._pack = Struct("=IIII").pack
        self._scale = 1 if nanoseconds else 1000
        self.linktype = linktype
        magic = NANOSECONDS if nanoseconds else MICROSECONDS
        file.write(Struct("=IHHiIII").pack(magic, 2, 4, 0, 0, snaplen, linktype))

    def write(self, record: Record) -> None:
        """Append a packet of the file's link type."""
        seconds, rest = divmod(record.time, 1_000_000_000)
        self._write(
            self._pack(seconds & 0xFFFFFFFF, rest // self._scale, len(record.data), record.length)
            + record.data
        )
