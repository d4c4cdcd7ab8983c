"""Read the counters of a filter: maps in the kernel, numbers here.

A packet is counted on the CPU that saw it; what is read is the sum over all *possible* CPUs.
spec.CounterLayout says which map holds what, observe.cells finds the numbers there. The keys of the
hash tables, u32 words in host byte order: an address (src, dst) is family (4 or 6) and four address
words, most significant first; a flow is family << 8 | protocol, sport << 16 | dport, and two times
four address words. An IPv4 address is in the first of its words; all is 0 for packets that have no
address.
Depends on spec, observe.cells.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from struct import Struct
from typing import NamedTuple

from netbpf.observe import cells
from netbpf.observe.cells import CounterMap
from netbpf.spec import COUNTER_TOTALS, CounterLayout, CounterTable, Key


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


def read(
    layout: CounterLayout, maps: Mapping[str, CounterMap], *, by: Iterable[Key] | None = None
) -> Counters:
    """Return all counters, or the tables of the keys in `by` only."""
    totals = cells.totals(layout, maps)
    wanted = set(Key if by is None else by)
    tables = tuple(
        _table(table, maps[table.map], created)
        for table, created in zip(layout.tables, totals[COUNTER_TOTALS:], strict=True)
        if table.key in wanted
    )
    return Counters(totals[0], totals[1], totals[2], tables)


def reset(layout: CounterLayout, maps: Mapping[str, CounterMap]) -> None:
    """Set all counters to zero. Packets counted meanwhile may be lost or kept, by chance."""
    cells.clear(layout, maps, map(_key_size, layout.tables))


def _table(table: CounterTable, counted: CounterMap, created: int) -> Table:
    decode = _decoder(table.key)
    found = cells.counts(table, counted, _key_size(table))
    evicted = 0 if table.exact else max(0, created - len(found))
    entries = [Entry(decode(key), packets, size) for key, (packets, size) in found.items()]
    entries.sort(key=lambda entry: (-entry.packets, str(entry.key)))
    return Table(table.key, tuple(entries), evicted)


# -- keys ------------------------------------------------------------------------------------------

_ADDRESS = Struct("=5I")
_FLOW = Struct("=10I")
_KEY_SIZES = {Key.SRC: _ADDRESS.size, Key.DST: _ADDRESS.size, Key.FLOW: _FLOW.size}
_NONE = {Key.PORT: 65536, Key.SPORT: 65536, Key.PROTO: 256}  # the index behind the last number


def _key_size(table: CounterTable) -> int:
    return _KEY_SIZES.get(table.key, 4)


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
