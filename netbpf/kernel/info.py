"""What the kernel tells of its programs, maps and links: by file descriptor and by id.

Source: struct bpf_{prog,map,link}_info of include/uapi/linux/bpf.h. An older kernel fills fewer
fields; the others then read as zero.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import Structure, addressof, sizeof
from enum import Enum
from errno import ENOENT
from pathlib import Path

from netbpf.errors import InputError, KernelError
from netbpf.kernel import attr
from netbpf.kernel.syscall import address, bpf, buffer
from netbpf.records import dataclass
from netbpf.uapi.bpf import Cmd, LinkType
from netbpf.uapi.capability import Cap

_MAX_MAPS = 64  # MAX_USED_MAPS of a program
_INSN_SIZE = 8


class Kind(Enum):
    """What an id names; the values are the commands that walk and open ids."""

    PROG = (Cmd.PROG_GET_NEXT_ID, Cmd.PROG_GET_FD_BY_ID)
    MAP = (Cmd.MAP_GET_NEXT_ID, Cmd.MAP_GET_FD_BY_ID)
    LINK = (Cmd.LINK_GET_NEXT_ID, Cmd.LINK_GET_FD_BY_ID)
    BTF = (Cmd.BTF_GET_NEXT_ID, Cmd.BTF_GET_FD_BY_ID)


@dataclass(frozen=True, slots=True)
class ProgInfo:
    """A loaded program. `tag` hashes its instructions; `insns` counts what the verifier left."""

    id: int
    type: int  # a ProgType, or one that is newer than netbpf
    name: str
    tag: str
    insns: int
    map_ids: tuple[int, ...]
    load_time: int  # nanoseconds since boot
    jited: bool
    jit_bytes: int = 0  # of machine code; 0 where there is none, or who asks may not know


@dataclass(frozen=True, slots=True)
class MapInfo:
    """A map, with the sizes in bytes that it was created with."""

    id: int
    type: int  # a MapType, or one that is newer than netbpf
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A bpf_link. `ifindex` is 0 where it has none, and once its interface is gone."""

    id: int
    type: int  # a uapi.bpf.LinkType, or one that is newer than netbpf
    prog_id: int
    ifindex: int


def prog(fd: int) -> ProgInfo:
    """Describe the program of a file descriptor."""
    _expect(fd, "bpf-prog")
    room = buffer(4 * _MAX_MAPS)
    raw = attr.ProgInfo(nr_map_ids=_MAX_MAPS, map_ids=address(room))
    _fill(fd, raw)
    used = min(raw.nr_map_ids, _MAX_MAPS)
    return ProgInfo(
        id=raw.id,
        type=raw.type,
        name=raw.name.decode(errors="replace"),
        tag=bytes(raw.tag).hex(),
        insns=raw.xlated_prog_len // _INSN_SIZE,
        map_ids=struct.unpack_from(f"={used}I", room),
        load_time=raw.load_time,
        jited=bool(raw.jited_prog_len),
        jit_bytes=raw.jited_prog_len,
    )


def map_(fd: int) -> MapInfo:
    """Describe the map of a file descriptor."""
    _expect(fd, "bpf-map")
    raw = attr.MapInfo()
    _fill(fd, raw)
    return MapInfo(
        id=raw.id,
        type=raw.type,
        key_size=raw.key_size,
        value_size=raw.value_size,
        max_entries=raw.max_entries,
        flags=raw.map_flags,
        name=raw.name.decode(errors="replace"),
    )


def link(fd: int) -> LinkInfo:
    """Describe the bpf_link of a file descriptor."""
    _expect(fd, "bpf-link")
    raw = attr.LinkInfo()
    _fill(fd, raw)
    on_interface = raw.type in (LinkType.XDP, LinkType.TCX, LinkType.NETKIT)
    return LinkInfo(raw.id, raw.type, raw.prog_id, raw.ifindex if on_interface else 0)


def ids(kind: Kind) -> Iterator[int]:
    """Yield the ids of everything of a kind that is in the kernel. Needs CAP_SYS_ADMIN."""
    walk, _ = kind.value
    request = attr.GetId(id=0)
    while True:
        try:
            bpf(walk, request, f"list the {kind.name.lower()} ids", (Cap.SYS_ADMIN,))
        except KernelError as error:
            if error.errno == ENOENT:
                return
            raise
        yield request.next_id
        request = attr.GetId(id=request.next_id)


def open_id(kind: Kind, id_: int) -> int:
    """Return a file descriptor for an id. Needs CAP_SYS_ADMIN."""
    _, command = kind.value
    doing = f"open the {kind.name.lower()} with id {id_}"
    return bpf(command, attr.GetId(id=id_), doing, (Cap.SYS_ADMIN,))


@contextmanager
def opened(kind: Kind, id_: int) -> Iterator[int]:
    """Open an id for the length of a `with` block."""
    fd = open_id(kind, id_)
    try:
        yield fd
    finally:
        os.close(fd)


def _expect(fd: int, kind: str) -> None:
    """Raise InputError for a descriptor of another kind, which the kernel would describe, too."""
    with suppress(OSError):
        found = str(Path(f"/proc/self/fd/{fd}").readlink())
        # The kernel spells it bpf_link for the fd of its creator, and bpf-link for all later ones.
        name = found.removeprefix("anon_inode:").replace("_", "-")
        if found.startswith("anon_inode:bpf") and name != kind:
            raise InputError(f"expected a {kind}, found a {name}")


def _fill(fd: int, raw: Structure) -> None:
    request = attr.Info(bpf_fd=fd, info_len=sizeof(raw), info=addressof(raw))
    bpf(Cmd.OBJ_GET_INFO_BY_FD, request, "ask about a BPF object")
