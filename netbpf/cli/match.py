"""`netbpf match`: which packets of a capture match."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timezone
from typing import TYPE_CHECKING, BinaryIO

import click

from netbpf.cli import output
from netbpf.cli.judging import TARGETS, Judges
from netbpf.cli.options import examples, json_option, takes_expression
from netbpf.cli.request import Request
from netbpf.errors import InputError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

    from netbpf.observe.capture import ByteSource, CaptureReader, Record
    from netbpf.observe.judge import Piece
    from netbpf.observe.pcap import PcapWriter
    from netbpf.observe.pcapng import PcapngWriter

_ETHERNET = 1


@click.command(
    epilog=examples(
        ("netbpf match -r in.pcap tcp dst port 80", "one line per packet that matches"),
        ("netbpf match -r in.pcapng -w out.pcap 'net 10.0.0.0/8'", "copy what matches"),
        ("zcat in.pcap.gz | netbpf match -r - --count ip6", "how many"),
        ("netbpf match -r in.pcap --target xdp --json udp", "judged by the kernel, at XDP"),
    )
)
@click.option("-r", "capture", metavar="IN", required=True, help="pcap or pcapng; - is stdin.")
@click.option(
    "--target", type=click.Choice(TARGETS), default="interp", show_default=True,
    help="What judges; all but interp run code in the kernel. xdp, tc, socket need root.",
)  # fmt: skip
@click.option("-w", "copy", metavar="OUT", help="Write what matches (pcapng by the name).")
@click.option("--count", "only_count", is_flag=True, help="Print only how many match.")
@json_option
@takes_expression
def command(
    request: Request,
    capture: str,
    target: str,
    copy: str | None,
    only_count: bool,
    as_json: bool,
) -> None:
    """Tell which packets of a capture file match EXPR.

    Packets count from 0. All targets give the same verdicts. What the kernel cannot be shown is
    left to the interpreter, and a note says how many packets these were.
    """
    if copy == "-" and (as_json or only_count):
        raise UsageError("-w - fills standard output: leave out --json and --count")
    from netbpf.observe.capture import ByteSource, open_capture
    from netbpf.observe.judged import judged

    with ExitStack() as stack:
        source = stack.enter_context(ByteSource(capture))
        reader = open_capture(source)
        judges = Judges(request, target, source=source.name, snaplen=reader.snaplen, stack=stack)
        judges(_ETHERNET if reader.linktype is None else reader.linktype)
        copies = None if copy is None else stack.enter_context(_Copies(copy, source, reader))
        report = stack.enter_context(_report(as_json, only_count, quiet=copies is not None))
        for piece in judged(reader, judges):
            report.add(piece)
            if copies is not None:
                copies.add(piece)
        judges.tell()


class _Report(AbstractContextManager["_Report"]):
    """Counts; closed also after damage in the file, so that what was read stays reported."""

    def __init__(self) -> None:
        self.packets = self.matched = 0

    def add(self, piece: Piece) -> None:
        """Take the verdicts on a piece."""
        self.packets += len(piece.verdicts)
        self.matched += piece.verdicts.count(1)

    def __exit__(self, kind: type[BaseException] | None, /, *_: object) -> None:
        pass


class _Count(_Report):
    """Just the number."""

    def __exit__(self, *_: object) -> None:
        sys.stdout.write(f"{self.matched}\n")


class _Summary(_Report):
    """For people who look elsewhere for the packets."""

    def __exit__(self, kind: type[BaseException] | None, /, *_: object) -> None:
        if kind is not BrokenPipeError:  # whose reader has seen enough of what is not all
            output.note(f"{self.matched} of {self.packets} packets match")


class _Lines(_Summary):
    """A line per packet that matches: its number, time and length."""

    def add(self, piece: Piece) -> None:
        """Print the packets of a piece."""
        first = self.packets
        numbers = (first + index for index, verdict in enumerate(piece.verdicts) if verdict)
        for number, record in zip(numbers, piece.matching(), strict=True):
            sys.stdout.write(f"{number:8}  {_time(record)}  {record.length} bytes\n")
        super().add(piece)


class _Json(_Report):
    """The document of --json, written as it grows: the indices may be many."""

    def __enter__(self) -> Self:
        sys.stdout.write('{"indices": [')
        return self

    def add(self, piece: Piece) -> None:
        """Write the numbers of what matches."""
        first, separator = self.packets, ", " if self.matched else ""
        numbers = [first + index for index, verdict in enumerate(piece.verdicts) if verdict]
        if numbers:
            sys.stdout.write(separator + str(numbers)[1:-1])
        super().add(piece)

    def __exit__(self, *_: object) -> None:
        sys.stdout.write(f'], "packets": {self.packets}, "matched": {self.matched}}}\n')


def _report(as_json: bool, only_count: bool, *, quiet: bool) -> _Report:
    if as_json:
        return _Json()
    if only_count:
        return _Count()
    return _Summary() if quiet else _Lines()


def _time(record: Record) -> str:
    seconds, nanoseconds = divmod(record.time, 1_000_000_000)
    shown = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{shown:%Y-%m-%d %H:%M:%S}.{nanoseconds // 1000:06}"


class _Copies(AbstractContextManager["_Copies"]):
    """The file of -w. Its header is written at once, so that a file without packets is one too."""

    def __init__(self, path: str, source: ByteSource, reader: CaptureReader) -> None:
        if path != "-" and source.same_file(path):
            raise UsageError(f"-w {path} is the file that is read")
        self._path, self._reader = path, reader
        self._writer: PcapWriter | PcapngWriter | None = None
        try:
            # Buffered by the default 8 KiB or more; closed in __exit__.
            self._file: BinaryIO = sys.stdout.buffer if path == "-" else open(path, "wb")  # noqa: SIM115, PTH123
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error

    def add(self, piece: Piece) -> None:
        """Append the packets of a piece that match."""
        for record in piece.matching():
            writer = self._writer or self._begin(record.linktype)
            if writer.linktype not in (None, record.linktype):
                raise InputError(
                    f"{self._path}: a pcap file has packets of one link type, and these have two",
                    remedy="write pcapng: -w OUT.pcapng",
                )
            writer.write(record)

    def _begin(self, linktype: int) -> PcapWriter | PcapngWriter:
        """Choose the format; times keep the resolution that they are read with."""
        snaplen, nanoseconds = self._reader.snaplen, self._reader.nanoseconds
        if self._path.endswith((".pcapng", ".ntar")):
            from netbpf.observe.pcapng import PcapngWriter

            self._writer = PcapngWriter(self._file, snaplen=snaplen)
        else:
            from netbpf.observe.pcap import PcapWriter

            self._writer = PcapWriter(
                self._file, linktype=linktype, snaplen=snaplen, nanoseconds=nanoseconds
            )
        return self._writer

    def __exit__(self, *_: object) -> None:
        if self._writer is None:
            self._begin(self._reader.linktype or _ETHERNET)
        if self._path == "-":
            self._file.flush()
        else:
            self._file.close()
