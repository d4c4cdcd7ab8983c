"""Read and write pcapng files (draft-ietf-opsawg-pcapng), as streams.

Read are any number of sections in either byte order, interfaces of different link types, and the
three packet blocks (enhanced, simple, and the obsolete one); all other blocks are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, NamedTuple

from netbpf.observe.capture import MAXIMUM_SNAPLEN, PIECE, ByteSource, Record
from netbpf.observe.pcap import canonical_linktype

SECTION_HEADER_BYTES = b"\x0a\x0d\x0d\x0a"  # reads the same in both byte orders

SECTION_HEADER = 0x0A0D0D0A
INTERFACE = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6

_BYTE_ORDER = 0x1A2B3C4D
_MAXIMUM_BLOCK = 16 << 20
_TSRESOL = 9
_TSOFFSET = 14


class Interface(NamedTuple):
    """An interface description: time is `offset` seconds + a count of 1/`resolution` seconds."""

    linktype: int
    snaplen: int
    resolution: int = 1_000_000
    offset: int = 0

    def nanoseconds(self, count: int) -> int:
        """Return a packet's time in nanoseconds since 1970."""
        return self.offset * 1_000_000_000 + count * 1_000_000_000 // self.resolution


class PcapngReader:
    """The packets of a pcapng file, in order, once.

    A block that is cut off or cannot be raises InputError with the block's byte offset, after all
    packets before it were yielded.
    """

    def __init__(self, source: ByteSource, head: bytes = b"") -> None:
        self.source = source
        self.linktype: int | None = None
        self.snaplen = MAXIMUM_SNAPLEN
        self.nanoseconds = False
        self._interfaces: list[Interface] = []
        self._buffer = head
        self._at = 0  # the current block, within the buffer
        self._base = 0  # the buffer's offset in the file
        self._layouts = _Layouts("<")

    def __iter__(self) -> Iterator[Record]:
        while self._have(8):
            kind, size = self._block()
            at = self._at
            if kind == ENHANCED_PACKET:
                yield self._enhanced(at, size)
            elif kind == SIMPLE_PACKET:
                yield self._simple(at, size)
            elif kind == OLD_PACKET:
                yield self._old(at, size)
            elif kind == INTERFACE:
                self._describe(at, size)
            elif kind == SECTION_HEADER:
                self._check_version(at)
            self._at = at + size

    # -- blocks ------------------------------------------------------------------------------------

    def _block(self) -> tuple[int, int]:
        """Bring the block at hand into the buffer whole; return its type and size."""
        if self._buffer[self._at : self._at + 4] == SECTION_HEADER_BYTES:
            self._begin_section()
        kind, size = self._layouts.pair.unpack_from(self._buffer, self._at)
        if size < 12 or size % 4 or size > _MAXIMUM_BLOCK:
            raise self._fault(f"a block of {size} bytes")
        if not self._have(size):
            raise self._cut()
        trailer = self._layouts.word.unpack_from(self._buffer, self._at + size - 4)[0]
        if trailer != size:
            raise self._fault(f"a block whose two lengths differ ({size} and {trailer})")
        return kind, size

    def _begin_section(self) -> None:
        if not self._have(28):
            raise self._cut()
        order = next(
            (o for o in "<>" if _Layouts(o).word.unpack_from(self._buffer, self._at + 8)[0]
             == _BYTE_ORDER),
            None,
        )  # fmt: skip
        if order is None:
            raise self._fault("a section header without a byte-order mark")
        self._layouts = _Layouts(order)
        self._interfaces = []

    def _check_version(self, at: int) -> None:
        major, minor = self._layouts.halves.unpack_from(self._buffer, at + 12)
        if major != 1 or minor not in (0, 2):
            raise self._fault(f"a section of the unknown version {major}.{minor}")

    def _describe(self, at: int, size: int) -> None:
        if size < 20:
            raise self._fault("an interface description that is too short")
        linktype, _, snaplen = self._layouts.interface.unpack_from(self._buffer, at + 8)
        if not 0 < snaplen <= MAXIMUM_SNAPLEN:
            snaplen = MAXIMUM_SNAPLEN
        resolution, offset = 1_000_000, 0
        for code, value in self._options(at + 16, at + size - 4):
            if code == _TSRESOL and len(value) == 1:
                resolution = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            elif code == _TSOFFSET and len(value) == 8:
                offset = self._layouts.signed64.unpack(value)[0]
        found = Interface(canonical_linktype(linktype), snaplen, resolution, offset)
        if self.linktype is None:
            self.linktype, self.snaplen = found.linktype, found.snaplen
        self.nanoseconds |= resolution > 1_000_000
        self._interfaces.append(found)

    def _options(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= end:
            code, size = self._layouts.halves.unpack_from(self._buffer, at)
            at += 4
            if code == 0:
                return
            if at + size > end:
                raise self._fault("an option that is longer than its block")
            yield code, self._buffer[at : at + size]
            at += (size + 3) & ~3

    # -- packets -----------------------------------------------------------------------------------

    def _enhanced(self, at: int, size: int) -> Record:
        if size < 32:
            raise self._fault("a packet block that is too short")
        number, high, low, captured, length = self._layouts.enhanced.unpack_from(
            self._buffer, at + 8
        )
        return self._record(number, high << 32 | low, captured, length, at + 28, at + size - 4)

    def _old(self, at: int, size: int) -> Record:
        if size < 32:
            raise self._fault("a packet block that is too short")
        number, _drops, high, low, captured, length = self._layouts.old.unpack_from(
            self._buffer, at + 8
        )
        return self._record(number, high << 32 | low, captured, length, at + 28, at + size - 4)

    def _simple(self, at: int, size: int) -> Record:
        if size < 16:
            raise self._fault("a packet block that is too short")
        length = self._layouts.word.unpack_from(self._buffer, at + 8)[0]
        snaplen = self._interfaces[0].snaplen if self._interfaces else 0
        return self._record(0, None, min(length, snaplen), length, at + 12, at + size - 4)

    def _record(
        self, number: int, count: int | None, captured: int, length: int, start: int, end: int
    ) -> Record:
        if number >= len(self._interfaces):
            raise self._fault(f"a packet of interface {number}, which is not described")
        interface = self._interfaces[number]
        if captured > end - start or captured > MAXIMUM_SNAPLEN:
            raise self._fault(f"a packet of {captured} captured bytes, more than its block has")
        data = self._buffer[start : start + captured]
        time = 0 if count is None else interface.nanoseconds(count)
        return tuple.__new__(Record, (data, length, time, interface.linktype))

    # -- the buffer --------------------------------------------------------------------------------

    def _have(self, size: int) -> bool:
        """Make `size` bytes available at the current place; False at the file's end."""
        if self._at + size <= len(self._buffer):
            return True
        pieces = [self._buffer[self._at :]]
        held = len(pieces[0])
        self._base, self._at = self._base + self._at, 0
        while held < size:
            piece = self.source.read(PIECE)
            if not piece:
                break
            pieces.append(piece)
            held += len(piece)
        self._buffer = b"".join(pieces)
        if 0 < held < 8:
            raise self._cut()
        return held >= size

    def _fault(self, what: str) -> Exception:
        return self.source.fault(f"has {what} at byte {self._base + self._at}")

    def _cut(self) -> Exception:
        return self.source.fault(f"ends within the block at byte {self._base + self._at}")


class _Layouts:
    """The structs of one byte order."""

    def __init__(self, order: str) -> None:
        self.word = Struct(order + "I")
        self.pair = Struct(order + "II")
        self.halves = Struct(order + "HH")
        self.interface = Struct(order + "HHI")
        self.enhanced = Struct(order + "IIIII")
        self.old = Struct(order + "HHIIII")
        self.signed64 = Struct(order + "q")


class PcapngWriter:
    """Write packets of any link types to a binary file; the caller closes it.

    Interfaces are described as their link types turn up; times have nanoseconds.
    """

    linktype = None  # any

    def __init__(self, file: BinaryIO, *, snaplen: int) -> None:
        self._write = file.write
        self._snaplen = snaplen
        self._numbers: dict[int, int] = {}
        self._block(SECTION_HEADER, Struct("=IHHq").pack(_BYTE_ORDER, 1, 0, -1))

    def write(self, record: Record) -> None:
        """Append a packet."""
        number = self._numbers.get(record.linktype)
        if number is None:
            number = self._numbers[record.linktype] = len(self._numbers)
            options = Struct("=HHB3xHH").pack(_TSRESOL, 1, 9, 0, 0)
            self._block(INTERFACE, Struct("=HHI").pack(record.linktype, 0, self._snaplen) + options)
        head = Struct("=IIIII").pack(
            number, record.time >> 32 & 0xFFFFFFFF, record.time & 0xFFFFFFFF,
            len(record.data), record.length,
        )  # fmt: skip
        self._block(ENHANCED_PACKET, head + record.data + bytes(-len(record.data) % 4))

    def _block(self, kind: int, body: bytes) -> None:
        size = Struct("=I").pack(len(body) + 12)
        self._write(Struct("=I").pack(kind) + size + body + size)
