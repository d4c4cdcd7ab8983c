"""Read the counters of a filter: maps in the kernel, numbers here.

A packet is counted on the CPU that saw it; what is read is the sum over all *possible* CPUs.
spec.CounterLayout says which map holds what. The keys of the hash tables, u32 words in host byte
order: an address (src, dst) is family (4 or 6) and four address words, most significant first; a
flow is family << 8 | protocol, sport << 16 | dport, and two times four address words. An IPv4
address is in the first of its words; all is 0 for packets that have no address.
Depends on spec, objects.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from struct import Struct
from typing import NamedTuple, Protocol

from netbpf.spec import CounterLayout, CounterTable, Key

TOTALS = 3  # packets, bytes, dropped; behind them one count of created entries per table
_ENTRY = Struct("=QQ")  # packets, bytes
_ENTRY_ZERO = bytes(_ENTRY.size)


class FlowKey(NamedTuple):
    """Who talks to whom. Ports are 0 where the protocol has none."""

    protocol: int
    source: str
    source_port: int
    destination: str
    destination_port: int


EntryKey = int | str | FlowKey | None
"""A port or protocol number, an address, a flow; None: the packets that have no such thing."""


class Entry(NamedTuple):
    """What was counted for one key."""

    key: EntryKey
    packets: int
    bytes: int


class Table(NamedTuple):
    """One `--by` table, busiest first. `evicted` entries were lost for want of room."""

    key: Key
    entries: tuple[Entry, ...]
    evicted: int


class Counters(NamedTuple):
    """What a filter has counted."""

    packets: int
    bytes: int
    dropped: int
    tables: tuple[Table, ...]


class CounterMap(Protocol):
    """The part of objects.Map that counting needs."""

    @property
    def value_size(self) -> int:
        """The bytes of all CPUs' values of one key."""

    def lookup(self, key: bytes) -> bytes | None:
        """Return all CPUs' values of one key."""

    def split(self, value: bytes) -> list[bytes]:
        """Cut a value into one part per CPU."""

    def batches(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all keys and values, many at once, one behind the other."""

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Write many entries."""

    def delete(self, key: bytes) -> bool:
        """Remove one entry."""


def read(
    layout: CounterLayout, maps: Mapping[str, CounterMap], *, by: Iterable[Key] | None = None
) -> Counters:
    """Return all counters, or the tables of the keys in `by` only."""
    totals = _totals(layout, maps)
    wanted = set(Key if by is None else by)
    tables = tuple(
        _table(table, maps[table.map], created)
        for table, created in zip(layout.tables, totals[TOTALS:], strict=True)
        if table.key in wanted
    )
    return Counters(totals[0], totals[1], totals[2], tables)


def reset(layout: CounterLayout, maps: Mapping[str, CounterMap]) -> None:
    """Set all counters to zero. Packets counted meanwhile may be lost or kept, by chance."""
    for table in layout.tables:
        counted = maps[table.map]
        if table.exact:
            counted.write((key, _ENTRY_ZERO) for key, _ in list(_used(counted, table)))
        else:
            for key, _ in list(_used(counted, table)):
                counted.delete(key)
    maps[layout.totals].write([(bytes(4), bytes(8 * (TOTALS + len(layout.tables))))])


def _totals(layout: CounterLayout, maps: Mapping[str, CounterMap]) -> list[int]:
    totals = maps[layout.totals]
    numbers = Struct(f"={TOTALS + len(layout.tables)}Q")
    cpus = totals.split(totals.lookup(bytes(4)) or b"")
    return [sum(column) for column in zip(*map(numbers.unpack, cpus), strict=True)]


def _table(table: CounterTable, counted: CounterMap, created: int) -> Table:
    decode = _decoder(table.key)
    found: dict[bytes, Entry] = {}  # an LRU map may give an entry twice while it changes
    for key, value in _used(counted, table):
        packets = size = 0
        for cpu in counted.split(value):
            one, of_bytes = _ENTRY.unpack(cpu)
            packets += one
            size += of_bytes
        found[key] = Entry(decode(key), packets, size)
    evicted = 0 if table.exact else max(0, created - len(found))
    entries = sorted(found.values(), key=lambda entry: (-entry.packets, str(entry.key)))
    return Table(table.key, tuple(entries), evicted)


def _used(counted: CounterMap, table: CounterTable) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries that counted anything: of 65,537 ports mostly a few."""
    key_size, value_size = _KEY_SIZES.get(table.key, 4), counted.value_size
    for keys, values in counted.batches():
        index = 0
        while found := _NOT_ZERO(values, index * value_size):
            index = found.start() // value_size
            key = keys[index * key_size : (index + 1) * key_size]
            yield key, values[index * value_size : (index + 1) * value_size]
            index += 1


_NOT_ZERO = re.compile(rb"[^\0]").search  # the fastest way to the next byte that counts

# -- keys ------------------------------------------------------------------------------------------

_ADDRESS = Struct("=5I")
_FLOW = Struct("=10I")
_KEY_SIZES = {Key.SRC: _ADDRESS.size, Key.DST: _ADDRESS.size, Key.FLOW: _FLOW.size}
_NONE = {Key.PORT: 65536, Key.SPORT: 65536, Key.PROTO: 256}  # the index behind the last number


def _decoder(key: Key) -> Callable[[bytes], EntryKey]:
    if key in _NONE:
        return partial(_number, none=_NONE[key])
    return _flow if key is Key.FLOW else _address


def _number(raw: bytes, *, none: int) -> int | None:
    number = int.from_bytes(raw, sys.byteorder)
    return None if number == none else number


def _address(raw: bytes) -> str | None:
    family, *words = _ADDRESS.unpack(raw)
    return _text(family, words) if family else None


def _flow(raw: bytes) -> FlowKey | None:
    first, ports, *words = _FLOW.unpack(raw)
    family, protocol = first >> 8, first & 0xFF
    if not family:
        return None
    source, destination = _text(family, words[:4]), _text(family, words[4:])
    return FlowKey(protocol, source, ports >> 16, destination, ports & 0xFFFF)


def _text(family: int, words: list[int]) -> str:
    if family == 4:
        return socket.inet_ntop(socket.AF_INET, words[0].to_bytes(4, "big"))
    raw = b"".join(word.to_bytes(4, "big") for word in words)
    return socket.inet_ntop(socket.AF_INET6, raw)
