"""A live BPF map.

Depends on spec, kernel. Knows nothing of what the bytes mean: observe does.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from errno import EINVAL, ENOSPC, EOPNOTSUPP

from netbpf.errors import KernelError
from netbpf.kernel import cpus, info, links, maps
from netbpf.kernel.errors import ENOTSUPP
from netbpf.spec import MapSpec
from netbpf.uapi.bpf import PER_CPU, MapType, UpdateFlag

_NO_BATCH = (EINVAL, EOPNOTSUPP, ENOTSUPP)
_ARRAYS = (MapType.ARRAY, MapType.PERCPU_ARRAY)
_BATCH = 4096  # entries a round: large enough to hide the call, small enough to hold


class Map(AbstractContextManager["Map"]):
    """A map's file descriptor. Values of per-CPU maps are all CPUs' values in a row."""

    def __init__(self, fd: int, described: info.MapInfo) -> None:
        self.fd = fd
        self.info = described
        self._cpus = cpus.possible() if self.per_cpu else 1

    @classmethod
    def create(cls, spec: MapSpec) -> Map:
        """Create the map of a spec with its first contents, frozen where the spec says so."""
        fd = maps.create(
            spec.type,
            key_size=spec.key_size,
            value_size=spec.value_size,
            max_entries=spec.max_entries,
            flags=spec.flags,
            name=spec.name,
        )
        try:
            created = cls(fd, info.map_(fd))
            created.write(spec.init)
            if spec.freeze:
                maps.freeze(fd)
        except BaseException:
            os.close(fd)
            raise
        return created

    @classmethod
    def adopt(cls, fd: int) -> Map:
        """Take over a file descriptor, which is closed if it is no map's."""
        try:
            return cls(fd, info.map_(fd))
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def pinned(cls, path: str) -> Map:
        """Open a pinned map."""
        return cls.adopt(links.get(path))

    @property
    def per_cpu(self) -> bool:
        """Whether each possible CPU has its own value."""
        return self.info.type in PER_CPU

    @property
    def value_size(self) -> int:
        """The bytes of a value as user space reads it: every possible CPU's, padded to 8."""
        return self._slot * self._cpus

    @property
    def _slot(self) -> int:
        size = self.info.value_size
        return (size + 7) // 8 * 8 if self.per_cpu else size

    def lookup(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""
        return maps.lookup(self.fd, key, self.value_size)

    def split(self, value: bytes) -> list[bytes]:
        """Cut a value into one part per possible CPU (one in all where not per-CPU)."""
        size = self.info.value_size
        return [value[at : at + size] for at in range(0, len(value), self._slot)]

    def update(self, key: bytes, value: bytes, flag: UpdateFlag = UpdateFlag.ANY) -> None:
        """Write one entry; a value of one CPU's size is given to every CPU."""
        maps.update(self.fd, key, self._spread(value), flag)

    def write(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Write many entries, in few calls where the kernel can (5.6)."""
        pending = list(entries)
        for start in range(0, len(pending), _BATCH):
            self._write_batch(pending[start : start + _BATCH])

    def delete(self, key: bytes) -> bool:
        """Remove one entry; False if it was not there."""
        return maps.delete(self.fd, key)

    def keys(self) -> Iterator[bytes]:
        """Yield every key; entries that come or go meanwhile may be missed or seen twice."""
        key = maps.next_key(self.fd, None, self.info.key_size)
        while key is not None:
            yield key
            key = maps.next_key(self.fd, key, self.info.key_size)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and value, many a call where the kernel can (5.6; per CPU 5.13)."""
        size, value_size = self.info.key_size, self.value_size
        for keys, values in self.batches():
            for at in range(len(keys) // size):
                yield (
                    keys[at * size : (at + 1) * size],
                    values[at * value_size : (at + 1) * value_size],
                )

    def batches(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values as `items` does, but many at once: one behind the other."""
        try:
            batch, count = self._batch(None, _BATCH)
        except KernelError as error:
            if error.errno not in _NO_BATCH:
                raise
            yield from self._ranges() if self.info.type in _ARRAYS else self._one_by_one()
            return
        yield batch.keys, batch.values
        while batch.cursor is not None:
            batch, count = self._batch(batch.cursor, count)
            yield batch.keys, batch.values

    @contextmanager
    def memory(self, *, writable: bool = False) -> Iterator[memoryview]:
        """Share the values of an array that was made with MapFlag.MMAPABLE (Linux 5.5)."""
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        size = self.info.value_size * self.info.max_entries
        with mmap.mmap(self.fd, size, access=access) as shared, memoryview(shared) as view:
            yield view

    def pin(self, path: str) -> None:
        """Give the map a name on a BPF file system."""
        links.pin(self.fd, path)

    def close(self) -> None:
        """Let go of the map; a program, link or pin may keep it alive. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_batch(self, entries: list[tuple[bytes, bytes]]) -> None:
        keys = b"".join(key for key, _ in entries)
        values = b"".join(self._spread(value) for _, value in entries)
        try:
            maps.update_batch(self.fd, keys, values, len(entries))
        except KernelError as error:
            if error.errno not in _NO_BATCH:
                raise
            for key, value in entries:
                self.update(key, value)

    def _spread(self, value: bytes) -> bytes:
        if not self.per_cpu or len(value) != self.info.value_size:
            return value
        return value.ljust(self._slot, b"\0") * self._cpus

    def _batch(self, cursor: bytes | None, count: int) -> tuple[maps.Batch, int]:
        """Read a batch, with more room while a hash bucket is longer than `count`."""
        while True:
            try:
                return self._batch_of(cursor, count), count
            except KernelError as error:
                if error.errno != ENOSPC or count >= self.info.max_entries:
                    raise
                count *= 2

    def _batch_of(self, cursor: bytes | None, count: int) -> maps.Batch:
        key, value = self.info.key_size, self.value_size
        return maps.lookup_batch(self.fd, cursor, key_size=key, value_size=value, count=count)

    def _ranges(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield an array's keys, which are known, and its values."""
        for start in range(0, self.info.max_entries, _BATCH):
            indexes = range(start, min(start + _BATCH, self.info.max_entries))
            keys = b"".join(index.to_bytes(4, sys.byteorder) for index in indexes)
            yield keys, maps.lookup_range(self.fd, indexes, self.value_size)

    def _one_by_one(self) -> Iterator[tuple[bytes, bytes]]:
        for key in self.keys():
            value = self.lookup(key)
            if value is not None:
                yield key, value
