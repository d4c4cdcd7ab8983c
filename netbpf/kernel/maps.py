"""Maps by file descriptor: create, read, write, freeze (bpf(2); kernel/bpf/syscall.c).

Keys and values are bytes of exactly the sizes that the map was created with; a per-CPU value is
each possible CPU's, rounded up to 8 bytes, one behind the other.
"""

from __future__ import annotations

import sys
from errno import ENOENT, EPERM

from netbpf.errors import KernelError
from netbpf.kernel import attr
from netbpf.kernel.privilege import lift_memlock
from netbpf.kernel.syscall import address, bpf, buffer
from netbpf.records import dataclass
from netbpf.uapi.bpf import OBJ_NAME_LEN, Cmd, MapType, UpdateFlag


@dataclass(frozen=True, slots=True)
class Batch:
    """One round of a batched look-up. `cursor` continues it; None when all has been read."""

    keys: bytes
    values: bytes
    count: int
    cursor: bytes | None


def create(
    type_: MapType,
    *,
    key_size: int,
    value_size: int,
    max_entries: int,
    flags: int = 0,
    name: str = "",
) -> int:
    """Create a map and return its file descriptor. Sizes in bytes; `flags` are of MapFlag.

    Before Linux 5.11 RLIMIT_MEMLOCK bounds maps: it is lifted when that may be what failed.
    """
    request = attr.MapCreate(
        map_type=type_,
        key_size=key_size,
        value_size=value_size,
        max_entries=max_entries,
        map_flags=flags,
        map_name=object_name(name),
    )
    doing = f"create the {type_.name} map {name!r} of {max_entries} entries"
    try:
        return bpf(Cmd.MAP_CREATE, request, doing)
    except KernelError as error:
        if error.errno != EPERM or not lift_memlock():
            raise
        return bpf(Cmd.MAP_CREATE, request, doing)


def lookup(fd: int, key: bytes, value_size: int) -> bytes | None:
    """Return the value of `key`, None where there is none. `value_size` as user space sees it."""
    memory, value = buffer(key), buffer(value_size)
    request = attr.MapElem(map_fd=fd, key=address(memory), value=address(value))
    try:
        bpf(Cmd.MAP_LOOKUP_ELEM, request, "read a map")
    except KernelError as error:
        if error.errno == ENOENT:
            return None
        raise
    return value.raw


def lookup_range(fd: int, indexes: range, value_size: int) -> bytes:
    """Return the values of an array's entries one behind the other, by a call for each.

    For kernels without batches, of whose calls a table of ports takes 65,537: nothing here is made
    anew for each.
    """
    key, values = buffer(4), buffer(len(indexes) * value_size)
    request = attr.MapElem(map_fd=fd, key=address(key))
    place = address(values)
    for index in indexes:
        key.raw = index.to_bytes(4, sys.byteorder)
        request.value = place
        bpf(Cmd.MAP_LOOKUP_ELEM, request, "read a map")
        place += value_size
    return values.raw


def update(fd: int, key: bytes, value: bytes, flag: UpdateFlag = UpdateFlag.ANY) -> None:
    """Write one entry."""
    memory, content = buffer(key), buffer(value)
    bpf(
        Cmd.MAP_UPDATE_ELEM,
        attr.MapElem(map_fd=fd, key=address(memory), value=address(content), flags=flag),
        "write to a map",
    )


def delete(fd: int, key: bytes) -> bool:
    """Remove one entry; False if it was not there."""
    memory = buffer(key)
    try:
        bpf(Cmd.MAP_DELETE_ELEM, attr.MapElem(map_fd=fd, key=address(memory)), "delete from a map")
    except KernelError as error:
        if error.errno == ENOENT:
            return False
        raise
    return True


def next_key(fd: int, key: bytes | None, key_size: int) -> bytes | None:
    """Return the key behind `key` (None: the first), None at the end."""
    memory, following = buffer(key) if key is not None else None, buffer(key_size)
    request = attr.MapElem(map_fd=fd, key=address(memory), value=address(following))
    try:
        bpf(Cmd.MAP_GET_NEXT_KEY, request, "walk a map")
    except KernelError as error:
        if error.errno == ENOENT:
            return None
        raise
    return following.raw


def lookup_batch(
    fd: int, cursor: bytes | None, *, key_size: int, value_size: int, count: int
) -> Batch:
    """Read up to `count` entries at once (Linux 5.6), from `cursor` on.

    Raises KernelError with ENOSPC where `count` is below the length of one hash bucket.
    """
    keys, values = buffer(count * key_size), buffer(count * value_size)
    start = buffer(cursor) if cursor is not None else None
    end = buffer(max(key_size, 4))  # a bucket's u32 number, or a key, by the type of map
    request = attr.MapBatch(
        in_batch=address(start),
        out_batch=address(end),
        keys=address(keys),
        values=address(values),
        count=count,
        map_fd=fd,
    )
    finished = False
    try:
        bpf(Cmd.MAP_LOOKUP_BATCH, request, "read a map")
    except KernelError as error:
        if error.errno != ENOENT:
            raise
        finished = True
    read = int(request.count)
    return Batch(
        keys=keys.raw[: read * key_size],
        values=values.raw[: read * value_size],
        count=read,
        cursor=None if finished else end.raw,
    )


def update_batch(fd: int, keys: bytes, values: bytes, count: int) -> None:
    """Write `count` entries at once (Linux 5.6); keys and values lie one behind the other."""
    memory, content = buffer(keys), buffer(values)
    bpf(
        Cmd.MAP_UPDATE_BATCH,
        attr.MapBatch(keys=address(memory), values=address(content), count=count, map_fd=fd),
        "write to a map",
    )


def freeze(fd: int) -> None:
    """Forbid user space to write from now on (Linux 5.2)."""
    bpf(Cmd.MAP_FREEZE, attr.MapFreeze(map_fd=fd), "freeze a map")


def object_name(name: str) -> bytes:
    """Return `name` as the kernel takes it: 15 characters of letters, digits, `_` and `.`."""
    allowed = "".join(c if (c.isalnum() and c.isascii()) or c in "_." else "_" for c in name)
    return allowed[: OBJ_NAME_LEN - 1].encode("ascii")
