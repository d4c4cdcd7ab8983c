"""The numbers of totals and tables in maps, summed up over CPUs, whichever way they are laid out.

spec.CounterLayout tells the ways. Of 65,537 ports most have counted nothing: only what is not 0 is
looked at. Depends on spec, and on objects by what it needs of maps.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from struct import Struct
from typing import Protocol

from netbpf.spec import COUNTER_ENTRY, CounterLayout, CounterTable

Counts = dict[bytes, tuple[int, int]]
"""Packets and bytes by key, without what counted nothing."""

_ENTRY = Struct("=QQ")
_NOTHING = bytes(COUNTER_ENTRY)
_FIRST = bytes(4)  # the key of an array's first entry
_NOT_ZERO = re.compile(rb"[^\0]").search
_BLOCK = 4096  # bytes


class CounterMap(Protocol):
    """The part of objects.Map that counting needs."""

    @property
    def per_cpu(self) -> bool:
        """Whether each CPU has its own value; else there is one, with a row for each."""

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

    def memory(self, *, writable: bool = False) -> AbstractContextManager[memoryview]:
        """Share the value with the programs that count."""


def totals(layout: CounterLayout, maps: Mapping[str, CounterMap]) -> list[int]:
    """Return the sums of the totals."""
    counted, size = maps[layout.totals], layout.totals_size
    value = counted.lookup(_FIRST) or b""
    if counted.per_cpu:
        cpus = counted.split(value)
    else:
        cpus = [value[at : at + size] for at in range(0, len(value), layout.totals_row)]
    numbers = Struct(f"={size // 8}Q")
    return [sum(column) for column in zip(*map(numbers.unpack, cpus), strict=True)]


def counts(table: CounterTable, counted: CounterMap, key_size: int) -> Counts:
    """Return what a table has counted; its keys have `key_size` bytes."""
    if not counted.per_cpu:
        return _counts_of_rows(table, counted)
    found: Counts = {}  # an LRU map may give an entry twice while it changes
    for key, value in _used(counted, key_size):
        packets, sizes = zip(*map(_ENTRY.unpack, counted.split(value)), strict=True)
        found[key] = (sum(packets), sum(sizes))
    return found


def clear(layout: CounterLayout, maps: Mapping[str, CounterMap], key_sizes: Iterable[int]) -> None:
    """Set everything to 0; `key_sizes` are those of the tables."""
    for table, key_size in zip(layout.tables, key_sizes, strict=True):
        counted = maps[table.map]
        if not counted.per_cpu:
            _clear_rows(table, counted)
        elif table.exact:
            counted.write((key, _NOTHING) for key, _ in list(_used(counted, key_size)))
        else:
            for key, _ in list(_used(counted, key_size)):
                counted.delete(key)
    of_totals = maps[layout.totals]
    size = layout.totals_size if of_totals.per_cpu else of_totals.value_size
    of_totals.write([(_FIRST, bytes(size))])


# -- a value for each CPU --------------------------------------------------------------------------


def _used(counted: CounterMap, key_size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries that counted anything."""
    value_size = counted.value_size
    for keys, values in counted.batches():
        for index in _places(values, 0, len(values), value_size):
            key = keys[index * key_size : (index + 1) * key_size]
            yield key, values[index * value_size : (index + 1) * value_size]


# -- a row for each CPU ----------------------------------------------------------------------------


def _counts_of_rows(table: CounterTable, counted: CounterMap) -> Counts:
    sums: dict[int, tuple[int, int]] = {}
    with counted.memory() as memory:
        for row, number in _used_in_rows(table, memory):
            packets, size = _ENTRY.unpack_from(memory, row + COUNTER_ENTRY * number)
            before = sums.get(number, (0, 0))
            sums[number] = (before[0] + packets, before[1] + size)
    return {number.to_bytes(4, sys.byteorder): sums[number] for number in sorted(sums)}


def _clear_rows(table: CounterTable, counted: CounterMap) -> None:
    with counted.memory(writable=True) as memory:
        for row, number in _used_in_rows(table, memory):
            _ENTRY.pack_into(memory, row + COUNTER_ENTRY * number, 0, 0)


def _used_in_rows(table: CounterTable, memory: memoryview) -> Iterator[tuple[int, int]]:
    """Yield where a row begins, and a number that counted anything there."""
    size = table.capacity * COUNTER_ENTRY
    for row in range(0, len(memory), table.row):
        for number in _places(memory, row, row + size, COUNTER_ENTRY):
            yield row, number


def _places(values: bytes | memoryview, start: int, end: int, size: int) -> Iterator[int]:
    """Yield the indexes, from `start` on, of values of `size` bytes that are not 0.

    Blocks of nothing but zeros are told from others by a comparison, a hundred times as fast as the
    search for the bytes.
    """
    block = size * max(1, _BLOCK // size)
    zeros = bytes(block)
    for at in range(start, end, block):
        part = bytes(values[at : min(at + block, end)])
        index = 0
        while part != zeros[: len(part)] and (found := _NOT_ZERO(part, index * size)):
            index = found.start() // size
            yield (at - start) // size + index
            index += 1
