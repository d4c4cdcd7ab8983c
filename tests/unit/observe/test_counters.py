from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import pack

import pytest

from netbpf.observe import counters
from netbpf.observe.counters import Counters, Entry, FlowKey, Table
from netbpf.spec import CounterLayout, CounterTable, Key


class FakeMap:
    """Per-CPU values of two CPUs, as objects.Map gives them."""

    def __init__(self, values: dict[bytes, tuple[bytes, bytes]]) -> None:
        self.values = values

    def lookup(self, key: bytes) -> bytes | None:
        return b"".join(self.values[key])

    def split(self, value: bytes) -> list[bytes]:
        return [value[: len(value) // 2], value[len(value) // 2 :]]

    value_size = 32

    def batches(self) -> Iterator[tuple[bytes, bytes]]:
        entries = list(self.values.items())
        for start in range(0, len(entries), 3):
            batch = entries[start : start + 3]
            yield b"".join(key for key, _ in batch), b"".join(a + b for _, (a, b) in batch)

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        for key, value in entries:
            self.values[key] = (value, value)

    def delete(self, key: bytes) -> bool:
        return self.values.pop(key, None) is not None


LAYOUT = CounterLayout(
    "totals",
    (
        CounterTable(Key.PORT, "port", 65537, exact=True),
        CounterTable(Key.SRC, "src", 3, exact=False),
        CounterTable(Key.FLOW, "flow", 3, exact=False),
        CounterTable(Key.PROTO, "proto", 257, exact=True),
    ),
)
V6 = 0x20010DB8, 0, 0, 1
FLOW4 = pack("=10I", 4 << 8 | 6, 40000 << 16 | 80, 0x0A000001, 0, 0, 0, 0x0A000002, 0, 0, 0)
FLOW6 = pack("=10I", 6 << 8 | 58, 0, *V6, *V6)
ZERO = (pack("=QQ", 0, 0), pack("=QQ", 0, 0))


def value(packets: int, size: int) -> tuple[bytes, bytes]:
    """Spread a count over both CPUs."""
    return pack("=QQ", packets - 1, size - 60), pack("=QQ", 1, 60)


def maps() -> dict[str, FakeMap]:
    return {
        "totals": FakeMap({
            bytes(4): (
                pack("=7Q", 9, 900, 1, 0, 5, 1, 0),
                pack("=7Q", 1, 60, 1, 0, 0, 1, 0),
            )
        }),
        "port": FakeMap({
            pack("=I", 0): value(1, 64),
            pack("=I", 1): ZERO,
            pack("=I", 80): value(5, 1000),
            pack("=I", 65536): value(2, 120),
        }),
        "src": FakeMap({
            pack("=5I", 4, 0x0A000001, 0, 0, 0): value(2, 128),
            pack("=5I", 6, *V6): value(3, 192),
            bytes(20): value(1, 60),
        }),
        "flow": FakeMap({FLOW4: value(2, 128), FLOW6: value(3, 192), bytes(40): value(1, 60)}),
        "proto": FakeMap({pack("=I", 6): value(2, 128), pack("=I", 256): value(1, 60)}),
    }  # fmt: skip


def test_sums_cpus_and_decodes_keys() -> None:
    assert counters.read(LAYOUT, maps()) == Counters(
        10,
        960,
        2,
        (
            Table(Key.PORT, (Entry(80, 5, 1000), Entry(None, 2, 120), Entry(0, 1, 64)), 0),
            Table(
                Key.SRC,
                (Entry("2001:db8::1", 3, 192), Entry("10.0.0.1", 2, 128), Entry(None, 1, 60)),
                2,
            ),
            Table(
                Key.FLOW,
                (
                    Entry(FlowKey(58, "2001:db8::1", 0, "2001:db8::1", 0), 3, 192),
                    Entry(FlowKey(6, "10.0.0.1", 40000, "10.0.0.2", 80), 2, 128),
                    Entry(None, 1, 60),
                ),
                0,
            ),
            Table(Key.PROTO, (Entry(6, 2, 128), Entry(None, 1, 60)), 0),
        ),
    )


@pytest.mark.parametrize("by", [(), (Key.SRC,), (Key.PROTO, Key.PORT)])
def test_reads_only_the_tables_asked_for(by: tuple[Key, ...]) -> None:
    found = counters.read(LAYOUT, maps(), by=by)
    assert {table.key for table in found.tables} == set(by)
    assert found.packets == 10


def test_reset_zeroes_everything() -> None:
    used = maps()
    counters.reset(LAYOUT, used)
    assert counters.read(LAYOUT, used) == Counters(
        0, 0, 0, tuple(Table(table.key, (), 0) for table in LAYOUT.tables)
    )
