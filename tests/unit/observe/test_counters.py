from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from struct import pack

import pytest

from netbpf.observe import counters
from netbpf.observe.counters import Counters, Entry, FlowKey, Table
from netbpf.spec import CounterLayout, CounterTable, Key


class FakeMap:
    """Per-CPU values of two CPUs, as objects.Map gives them."""

    def __init__(self, values: dict[bytes, tuple[bytes, bytes]]) -> None:
        self.values = values

    per_cpu = True

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

    def memory(self, *, writable: bool = False) -> AbstractContextManager[memoryview]:
        raise AssertionError(f"per-CPU maps are not shared {writable=}")


class FlatMap:
    """An array with one value, as objects.Map gives it."""

    per_cpu = False

    def __init__(self, cpus: int, row: int, numbers: dict[int, bytes]) -> None:
        self.value = bytearray(cpus * row)
        for at, content in numbers.items():
            self.value[at : at + len(content)] = content

    @property
    def value_size(self) -> int:
        return len(self.value)

    def lookup(self, key: bytes) -> bytes | None:
        return bytes(self.value) if key == bytes(4) else None

    def split(self, value: bytes) -> list[bytes]:
        return [value]

    def batches(self) -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError("one value")

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        ((_, content),) = entries
        assert len(content) == len(self.value)
        self.value[:] = content

    def delete(self, key: bytes) -> bool:
        raise AssertionError(f"an array keeps {key!r}")

    @contextmanager
    def memory(self, *, writable: bool = False) -> Iterator[memoryview]:
        view = memoryview(self.value)
        yield view if writable else view.toreadonly()


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


FLAT = CounterLayout(
    "totals",
    (
        CounterTable(Key.PORT, "port", 65537, exact=True),
        CounterTable(Key.PROTO, "proto", 257, exact=True),
    ),
)
_PORTS, _PROTOS = 65537 * 16 + 112, 257 * 16 + 112  # bytes of a row


def flat_maps() -> dict[str, FlatMap]:
    """Three CPUs, of which the second has counted nothing."""
    entry = pack("=QQ", 2, 200)
    return {
        "totals": FlatMap(3, 128, {0: pack("=3Q", 4, 400, 1), 256: pack("=3Q", 1, 60, 1)}),
        "port": FlatMap(
            3,
            _PORTS,
            {0: entry, 16 * 80: entry, 2 * _PORTS + 16 * 80: pack("=QQ", 1 << 40, 0),
             2 * _PORTS + 16 * 65536: pack("=QQ", 0, 7)},
        ),
        "proto": FlatMap(3, _PROTOS, {16 * 256: entry, _PROTOS + 16 * 6: entry}),
    }  # fmt: skip


def test_sums_the_rows_of_cpus() -> None:
    assert counters.read(FLAT, flat_maps()) == Counters(
        5,
        460,
        2,
        (
            Table(
                Key.PORT,
                (Entry(80, (1 << 40) + 2, 200), Entry(0, 2, 200), Entry(None, 0, 7)),
                0,
            ),
            Table(Key.PROTO, (Entry(6, 2, 200), Entry(None, 2, 200)), 0),
        ),
    )


def test_reset_zeroes_rows() -> None:
    used = flat_maps()
    counters.reset(FLAT, used)
    assert not any(any(one.value) for one in used.values())


def test_reset_zeroes_everything() -> None:
    used = maps()
    counters.reset(LAYOUT, used)
    assert counters.read(LAYOUT, used) == Counters(
        0, 0, 0, tuple(Table(table.key, (), 0) for table in LAYOUT.tables)
    )
