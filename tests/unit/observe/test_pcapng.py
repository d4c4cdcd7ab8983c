from __future__ import annotations

import io
from pathlib import Path
from struct import pack

import pytest

from netbpf.errors import InputError
from netbpf.observe.capture import Record
from netbpf.observe.pcapng import PcapngWriter
from tests.unit.observe.files import (
    block,
    enhanced,
    interface,
    old_packet,
    option,
    section,
    simple,
)
from tests.unit.observe.test_pcap import read, read_until_error

US = 1_700_000_000_000_005
END = option(0, b"")


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_packet_block_in_both_byte_orders(tmp_path: Path, order: str) -> None:
    content = b"".join([
        section(order=order),
        block(0x0BAD, b"whatever", order=order),
        interface(1, order=order),
        enhanced(b"abc", length=60, order=order, options=option(1, b"a comment", order=order)),
        simple(b"defgh", order=order),
        old_packet(b"ijklm", order=order),
        block(5, b"statistics--", order=order),
    ])  # fmt: skip
    assert read(tmp_path, content) == [
        Record(b"abc", 60, US * 1000, 1),
        Record(b"defgh", 5, 0, 1),
        Record(b"ijklm", 5, 7000, 1),
    ]


def test_interfaces_of_several_link_types_and_sections(tmp_path: Path) -> None:
    content = b"".join([
        section(), interface(1), interface(14),
        enhanced(b"a", number=1), enhanced(b"b", number=0),
        section(order=">"), interface(113, order=">"), enhanced(b"c", order=">"),
    ])  # fmt: skip
    assert [(r.data, r.linktype) for r in read(tmp_path, content)] == [
        (b"a", 101), (b"b", 1), (b"c", 113),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "count", "time"),
    [
        (b"", 5_000_001, 5_000_001_000),
        (option(9, b"\x09") + END, 5_000_000_001, 5_000_000_001),
        (option(9, b"\x03") + END, 5_001, 5_001_000_000),
        (option(9, b"\x8a") + END, 5 * 1024 + 512, 5_500_000_000),
        (option(14, pack("<q", 100)) + END, 5, 100_000_005_000),
        (option(2, b"eth0") + option(9, b"\x00") + END, 7, 7_000_000_000),
        (END + option(9, b"\x09"), 5, 5_000),  # behind the end of options
    ],
)
def test_time_stamps(tmp_path: Path, options: bytes, count: int, time: int) -> None:
    content = section() + interface(options=options) + enhanced(b"x", time=count)
    assert read(tmp_path, content)[0].time == time


def test_simple_packets_are_cut_at_the_snaplen(tmp_path: Path) -> None:
    content = section() + interface(snaplen=4) + simple(b"abcd", length=60)
    assert read(tmp_path, content) == [Record(b"abcd", 60, 0, 1)]


GOOD = section() + interface() + enhanced(b"abcd")  # 28 + 20 + 36 bytes


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (enhanced(b"xyz")[:-1], "ends within the block at byte 84"),
        (b"\x06\x00", "ends within the block at byte 84"),
        (section()[:20], "ends within the block at byte 84"),
        (block(6, b""), "has a packet block that is too short at byte 84"),
        (block(3, b""), "has a packet block that is too short at byte 84"),
        (block(1, b"1234"), "has an interface description that is too short at byte 84"),
        (pack("<II", 6, 11), "has a block of 11 bytes at byte 84"),
        (pack("<II", 6, 33), "has a block of 33 bytes at byte 84"),
        (pack("<II", 6, 1 << 30), "has a block of 1073741824 bytes at byte 84"),
        (
            block(7, b"1234", trailer=99),
            "has a block whose two lengths differ (16 and 99) at byte 84",
        ),
        (
            enhanced(b"x", number=1),
            "has a packet of interface 1, which is not described at byte 84",
        ),
        (
            enhanced(b"abcd", captured=5),
            "has a packet of 5 captured bytes, more than its block has at byte 84",
        ),
        (section(version=(2, 0)), "has a section of the unknown version 2.0 at byte 84"),
        (
            block(0x0A0D0D0A, b"noMagic-" * 2),
            "has a section header without a byte-order mark at byte 84",
        ),
        (
            interface(options=pack("<HH", 9, 40)),
            "has an option that is longer than its block at byte 84",
        ),
        (section() + simple(b"x"), "has a packet of interface 0, which is not described at"),
    ],
)
def test_a_damaged_block_ends_after_the_good_ones(tmp_path: Path, bad: bytes, message: str) -> None:
    path = tmp_path / "in"
    path.write_bytes(GOOD + bad)
    good, error = read_until_error(path)
    assert good == [b"abcd"]
    assert message in error


def test_the_place_of_damage_in_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "in"
    good = section() + interface() + enhanced(bytes(1000)) * 5000
    path.write_bytes(good + b"cut")
    packets, message = read_until_error(path)
    assert len(packets) == 5000
    assert message == f"{path}: ends within the block at byte {len(good)}"


def test_every_truncation_is_an_error_or_whole_blocks(tmp_path: Path) -> None:
    for size in range(4, len(GOOD)):
        if size in (28, 48):
            assert read(tmp_path, GOOD[:size]) == []
        else:
            with pytest.raises(InputError):
                read(tmp_path, GOOD[:size])


def test_blocks_that_cross_the_pieces_read(tmp_path: Path) -> None:
    packets = [bytes([i % 251]) * (i % 3000) for i in range(2500)]
    content = section() + interface() + b"".join(enhanced(p) for p in packets)
    assert len(content) > 3 << 20
    assert [r.data for r in read(tmp_path, content)] == packets


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    packets = [
        Record(b"abc", 3, US * 1000 + 1, 276),
        Record(b"", 60, 0, 1),
        Record(b"defg", 4, 5, 276),
    ]
    out = io.BytesIO()
    writer = PcapngWriter(out, snaplen=1000)
    for packet in packets:
        writer.write(packet)
    assert read(tmp_path, out.getvalue()) == packets
