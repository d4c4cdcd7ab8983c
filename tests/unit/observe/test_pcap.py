from __future__ import annotations

import io
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from netbpf.errors import InputError
from netbpf.observe.capture import ByteSource, Record, open_capture
from netbpf.observe.pcap import PcapWriter
from tests.unit.observe.files import pcap, record

NS = 1_700_000_000 * 10**9


def records_of(path: Path) -> list[Record]:
    with ByteSource(str(path)) as source:
        return list(open_capture(source))


def read_until_error(path: Path) -> tuple[list[bytes], str]:
    """Return the packets that came before the error, and its message."""
    good: list[bytes] = []
    with ByteSource(str(path)) as source:
        reader = iter(open_capture(source))
        try:
            while True:
                good.append(next(reader).data)
        except InputError as error:
            return good, error.message


def read(tmp_path: Path, content: bytes) -> list[Record]:
    path = tmp_path / "in"
    path.write_bytes(content)
    return records_of(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "scale"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_byte_orders_and_resolutions(tmp_path: Path, order: str, magic: int, scale: int) -> None:
    content = pcap(
        record(b"abc", order=order),
        record(b"", length=60, time=(1, 999), order=order),
        order=order,
        magic=magic,
        network=113,
    )
    assert read(tmp_path, content) == [
        Record(b"abc", 3, NS + 5 * scale, 113),
        Record(b"", 60, 10**9 + 999 * scale, 113),
    ]


@pytest.mark.parametrize(
    ("network", "linktype"),
    [(1, 1), (12, 101), (14, 101), (101, 101), (0x14000001, 1), (0xF4000114, 276)],
)
def test_link_type_field(tmp_path: Path, network: int, linktype: int) -> None:
    assert read(tmp_path, pcap(record(b"x"), network=network))[0].linktype == linktype


@pytest.mark.parametrize(
    ("version", "captured", "length", "swapped"),
    [
        ((2, 4), 4, 60, False),
        ((2, 2), 60, 4, True),
        ((2, 1), 60, 4, True),
        ((543, 0), 60, 4, True),
        ((2, 3), 4, 60, False),
        ((2, 3), 60, 4, True),
    ],
)
def test_old_versions_swap_the_lengths(
    tmp_path: Path, version: tuple[int, int], captured: int, length: int, swapped: bool
) -> None:
    written = record(b"abcd", captured=captured, length=length)
    (found,) = read(tmp_path, pcap(written, version=version))
    assert (found.data, found.length) == (b"abcd", 60)
    assert swapped == (captured == 60)


def test_modified_format_has_longer_record_headers(tmp_path: Path) -> None:
    content = pcap(
        record(b"one", extra=b"8 bytes."), record(b"two", extra=b"8 bytes."), magic=0xA1B2CD34
    )
    assert [r.data for r in read(tmp_path, content)] == [b"one", b"two"]


def test_a_packet_longer_than_the_snaplen_is_cut(tmp_path: Path) -> None:
    content = pcap(record(b"abcdef"), record(b"gh"), snaplen=4)
    assert [(r.data, r.length) for r in read(tmp_path, content)] == [(b"abcd", 6), (b"gh", 2)]


@pytest.mark.parametrize("snaplen", [0, 0xFFFFFFFF])
def test_a_senseless_snaplen_is_no_limit(tmp_path: Path, snaplen: int) -> None:
    assert read(tmp_path, pcap(record(bytes(2000)), snaplen=snaplen))[0].data == bytes(2000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{}: is empty, not a capture file"),
        (b"\xd4\xc3", "{}: has only 2 bytes, too few for a capture file"),
        (b"GET / HTTP", "{}: is neither a pcap nor a pcapng file (it begins with 47455420)"),
        (b"\x1f\x8b\x08\x00", "{}: is compressed; read it through: zcat FILE | netbpf … -r -"),
        (pcap()[:23], "{}: ends within the file header, at byte 23 of 24"),
        (pcap(version=(3, 0)), "{}: has the unknown pcap version 3.0"),
        (pcap(version=(2, 5)), "{}: has the unknown pcap version 2.5"),
        (
            pcap(network=0x00010001),
            "{}: sets reserved bits of the link type field (0x00010001)",
        ),
    ],
)
def test_what_is_no_capture_file(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert caught.value.message == message.format(tmp_path / "in")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (record(b"xyz")[:-1], "ends within the packet record at byte 43"),
        (record(b"xyz")[:15], "ends within the packet record at byte 43"),
        (
            record(b"xyz", captured=262145),
            "has an impossible packet record at byte 43: 262145 captured bytes",
        ),
    ],
)
def test_a_damaged_record_ends_after_the_good_ones(
    tmp_path: Path, bad: bytes, message: str
) -> None:
    path = tmp_path / "in"
    path.write_bytes(pcap(record(b"abc"), bad))
    assert read_until_error(path) == ([b"abc"], f"{path}: {message}")


def test_the_place_of_damage_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "in"
    good = pcap(record(bytes(1000)) * 5000)
    assert len(good) > 4 << 20
    path.write_bytes(good + b"cut")
    packets, message = read_until_error(path)
    assert len(packets) == 5000
    assert message == f"{path}: ends within the packet record at byte {len(good)}"


def test_every_truncation_is_an_error_or_a_whole_number_of_packets(tmp_path: Path) -> None:
    whole = pcap(record(b"abc"), record(b""), record(b"defgh"))
    ends = {24, 43, 59, 80}
    for size in range(len(whole)):
        if size in ends:
            read(tmp_path, whole[:size])
        else:
            with pytest.raises(InputError):
                read(tmp_path, whole[:size])


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot open .*absent: No such file or directory"):
        ByteSource(str(tmp_path / "absent"))
    with pytest.raises(InputError, match="Is a directory"):
        records_of(tmp_path)


def test_a_pipe_that_delivers_byte_by_byte(tmp_path: Path) -> None:
    content = pcap(record(b"abc"), record(b"de"))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def feed() -> None:
        with fifo.open("wb", buffering=0) as out:
            for i in range(len(content)):
                out.write(content[i : i + 1])

    thread = threading.Thread(target=feed)
    thread.start()
    assert [r.data for r in records_of(fifo)] == [b"abc", b"de"]
    thread.join()


def test_records_that_cross_the_pieces_read(tmp_path: Path) -> None:
    packets = [bytes([i % 251]) * (i % 3000) for i in range(3000)]
    content = pcap(*(record(p) for p in packets))
    assert len(content) > 3 << 20
    assert [r.data for r in read(tmp_path, content)] == packets


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "in"
    one = record(bytes(1000))
    with path.open("wb") as out:
        out.write(pcap())
        for _ in range(20):
            out.write(one * 1000)
    tracemalloc.start()
    with ByteSource(str(path)) as source:
        assert sum(1 for _ in open_capture(source)) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 << 20


@pytest.mark.parametrize("nanoseconds", [False, True])
def test_what_is_written_is_read_back(tmp_path: Path, nanoseconds: bool) -> None:
    packets = [Record(b"abc", 3, NS + 5000, 276), Record(b"", 60, NS + 999_999_999, 276)]
    out = io.BytesIO()
    writer = PcapWriter(out, linktype=276, snaplen=1000, nanoseconds=nanoseconds)
    for packet in packets:
        writer.write(packet)
    unit = 1 if nanoseconds else 1000
    assert read(tmp_path, out.getvalue()) == [
        p._replace(time=p.time // unit * unit) for p in packets
    ]
