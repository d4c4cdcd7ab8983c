"""Kept attachments on a BPF file system: what outlives the process that made them.

    ROOT/netbpf/NAME/prog           the program
                    /meta           a frozen map whose only value is a Kept, in JSON
                    /map_MAP        each of its maps
    ROOT/netbpf/_new_PID_NAME/      being made by process PID
    ROOT/netbpf/_old_PID_NAME/      being removed by process PID

A directory gets its NAME, and loses it, by one rename(2): nobody ever sees half of it, and what a
killed process left has a name that no user can give. Depends on kernel, objects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from errno import EEXIST, ENOTEMPTY
from pathlib import Path

from netbpf.errors import ConflictError, InputError, NetbpfError, NotFoundError, UsageError
from netbpf.kernel import bpffs, info, links
from netbpf.kernel.errors import kernel_error
from netbpf.objects import kept as kept_format
from netbpf.objects.kept import Kept
from netbpf.objects.map import Map
from netbpf.objects.program import Program
from netbpf.records import dataclass
from netbpf.spec import MapSpec
from netbpf.uapi.bpf import MapType
from netbpf.uapi.capability import Cap

_HOME = "netbpf"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # bpffs refuses dots
_UNFINISHED = re.compile(r"_(new|old)_(\d+)_(.*)")
_PROG, _META, _MAP = "prog", "meta", "map_"
_ZERO = bytes(4)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing on the list: a kept attachment, or what is `broken` and why."""

    name: str
    kept: Kept | None
    broken: str = ""


def check_name(name: str) -> str:
    """Return `name` if it may name a kept attachment, else raise UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"not a name to keep a filter by: {name!r}",
            remedy="use up to 64 letters, digits, '-' and '_', not one of these two first",
        )
    return name


@dataclass(frozen=True, slots=True)
class Pins:
    """The kept attachments below one BPF file system. `root` is its mount point."""

    root: Path

    @classmethod
    def usual(cls) -> Pins:
        """Return those of $NETBPF_BPFFS, else of /sys/fs/bpf."""
        return cls(bpffs.root())

    @property
    def home(self) -> Path:
        """The directory of all of them."""
        return self.root / _HOME

    def save(self, kept: Kept, program: Program) -> None:
        """Pin a program, its maps and its description under `kept.name`, all or nothing.

        Raises ConflictError where the name is taken, NotFoundError where no BPF file system is
        mounted, PrivilegeError.
        """
        name = check_name(kept.name)
        bpffs.ensure(self.root)
        fresh = self.home / f"_new_{os.getpid()}_{name}"
        with ExitStack() as undo, _files(f"keep {name!r}"):
            self.home.mkdir(mode=0o700, exist_ok=True)
            fresh.mkdir(mode=0o700)
            undo.callback(_delete, fresh)
            _fill(fresh, kept, program)
            try:
                fresh.rename(self.home / name)
            except OSError as error:
                if error.errno in (EEXIST, ENOTEMPTY):
                    raise _taken(name) from None
                raise
            undo.pop_all()

    def entries(self) -> list[Entry]:
        """Return what is kept, sorted by name; also what a killed process left half done."""
        found = [self._entry(name) for name in self._names()]
        return [entry for entry in found if entry is not None]

    def kept(self, name: str) -> Kept:
        """Read the description of a kept attachment.

        Raises NotFoundError, InputError where it is damaged.
        """
        directory = self._directory(name)
        lost = [pin for pin in (_PROG, _META) if not (directory / pin).exists()]
        if lost:
            raise InputError(f"the pin {lost[0]!r} of {name!r} is gone")
        with Map.pinned(str(directory / _META)) as meta:
            content = meta.lookup(_ZERO)
        if content is None:
            raise InputError(f"the description of {name!r} is empty")
        return kept_format.decode(content)

    def open(self, name: str) -> Program:
        """Open the program and maps of a kept attachment."""
        directory = self._directory(name)
        with ExitStack() as stack, _files(f"open {name!r}"):
            maps = {
                entry.name.removeprefix(_MAP): stack.enter_context(Map.pinned(str(entry)))
                for entry in sorted(directory.iterdir())
                if entry.name.startswith(_MAP)
            }
            fd = links.get(str(directory / _PROG))
            stack.callback(os.close, fd)
            return Program(fd, info.prog(fd), maps, "", stack.pop_all())

    def remove(self, name: str) -> None:
        """Remove the pins of anything that `entries` lists. Detaching is another's work."""
        directory = self._directory(name, unfinished=True)
        with _files(f"remove {name!r}"):
            if _NAME.fullmatch(name):
                directory = directory.rename(self.home / f"_old_{os.getpid()}_{name}")
            _delete(directory)
        with suppress(OSError):  # the last one; not empty otherwise
            self.home.rmdir()

    def _names(self) -> list[str]:
        with _files("list what is kept"):
            if not self.home.is_dir():
                return []
            return sorted(entry.name for entry in self.home.iterdir())

    def _entry(self, name: str) -> Entry | None:
        unfinished = _UNFINISHED.fullmatch(name)
        if unfinished and Path("/proc", unfinished[2]).exists():
            return None  # its process is at it
        if unfinished:
            done = "kept" if unfinished[1] == "new" else "removed"
            return Entry(name, None, f"{unfinished[3]!r} was being {done} by a process that died")
        try:
            kept = self.kept(name)
        except NetbpfError as error:
            gone = not (self.home / name).exists()  # removed meanwhile
            return None if gone else Entry(name, None, error.message)
        return Entry(name, kept, "" if kept.name == name else f"describes {kept.name!r}")

    def _directory(self, name: str, *, unfinished: bool = False) -> Path:
        if not (unfinished and _UNFINISHED.fullmatch(name) and "/" not in name):
            check_name(name)
        path = self.home / name
        with _files(f"look for {name!r}"):
            found = path.is_dir()
        if not found:
            raise NotFoundError(f"nothing is kept by the name {name!r}", remedy="netbpf list")
        return path


def _fill(directory: Path, kept: Kept, program: Program) -> None:
    program.pin(str(directory / _PROG))
    for name, owned in program.maps.items():
        owned.pin(str(directory / f"{_MAP}{name}"))
    content = kept_format.encode(kept)
    spec = MapSpec(
        name="netbpf_meta",
        type=MapType.ARRAY,
        key_size=len(_ZERO),
        value_size=len(content),
        max_entries=1,
        init=((_ZERO, content),),
        freeze=True,
    )
    with Map.create(spec) as meta:
        meta.pin(str(directory / _META))


def _delete(directory: Path) -> None:
    """Remove a directory of pins; what is gone already is well."""
    with suppress(FileNotFoundError):
        for entry in list(directory.iterdir()):
            entry.unlink(missing_ok=True)
        directory.rmdir()


def _taken(name: str) -> ConflictError:
    return ConflictError(
        f"something is kept by the name {name!r} already",
        remedy=f"choose another name, or take it away: netbpf detach {name}",
    )


@contextmanager
def _files(doing: str) -> Iterator[None]:
    """Word what the file system refuses."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        raise kernel_error(code, command="bpffs", doing=doing, caps=(Cap.SYS_ADMIN,)) from None
