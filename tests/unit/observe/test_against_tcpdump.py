"""Odd capture files read as libpcap reads them: tcpdump copies each, and the copies are equal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.tools import require_tool
from tests.unit.observe.files import (
    enhanced,
    interface,
    old_packet,
    option,
    pcap,
    record,
    section,
    simple,
)
from tests.unit.observe.test_pcap import records_of

FRAME = bytes(range(64))

FILES = {
    "plain": pcap(record(FRAME), record(FRAME[:20], length=1500)),
    "big-endian": pcap(record(FRAME, order=">"), order=">"),
    "nanoseconds": pcap(record(FRAME, time=(5, 123_456_000)), magic=0xA1B23C4D),
    "version 2.2": pcap(record(FRAME, length=64, captured=100), version=(2, 2)),
    "version 2.3": pcap(
        record(FRAME, length=64, captured=100), record(FRAME, length=90), version=(2, 3)
    ),
    "modified": pcap(record(FRAME, extra=bytes(8)), magic=0xA1B2CD34),
    "over the snaplen": pcap(record(FRAME), record(FRAME), snaplen=30),
    "modified, over the snaplen": pcap(record(FRAME, extra=bytes(8)), magic=0xA1B2CD34, snaplen=30),
    "check sequence bits": pcap(record(FRAME), network=0x14000001),
    "pcapng": section() + interface(snaplen=65535) + enhanced(FRAME, length=99) + old_packet(FRAME),
    "pcapng, big-endian": section(order=">") + interface(order=">") + enhanced(FRAME, order=">"),
    "pcapng, simple": section() + interface(snaplen=30) + simple(FRAME[:30], length=64),
    "pcapng, milliseconds": section()
    + interface(options=option(9, b"\x03"))
    + enhanced(FRAME, time=1_700_000_000_123),
}


@pytest.mark.parametrize("name", FILES)
def test_tcpdump_reads_the_same(tmp_path: Path, name: str) -> None:
    tcpdump = require_tool("tcpdump")
    given, copy = tmp_path / "given", tmp_path / "copy"
    given.write_bytes(FILES[name])
    subprocess.run(
        [tcpdump, "-Z", "root", "-r", given, "-w", copy], check=True, capture_output=True
    )
    copied = records_of(copy)
    assert copied
    assert records_of(given) == copied
