"""Network namespaces: open one, and work inside of it.

setns(2) moves one thread. Sockets made inside stay there. /sys keeps showing the namespace that
it was mounted from, so interfaces are asked for by system calls (kernel.interface).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from errno import EINVAL
from pathlib import Path

from netbpf.errors import NetbpfError, NotFoundError, UsageError
from netbpf.kernel.errors import kernel_error
from netbpf.uapi.capability import Cap

NAMED = Path("/run/netns")  # where `ip netns` keeps names
_CURRENT = "/proc/thread-self/ns/net"
_LOCK_PATIENCE = 2.0  # seconds
_CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h


class Netns(AbstractContextManager["Netns"]):
    """An open network namespace; it lives at least until this is closed.

    `path` is where it can be found again, '' for the one that the process was started in.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path

    @classmethod
    def open(cls, where: str | None = None) -> Netns:
        """Open a namespace by its name, by a path, or by a process number; None: this thread's.

        Raises NotFoundError, UsageError for what is no network namespace, PrivilegeError.
        """
        path = locate(where)
        try:
            fd = os.open(path or _CURRENT, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            raise NotFoundError(
                f"there is no network namespace {where!r}", remedy=_known(names())
            ) from None
        except OSError as error:
            raise _failed(error.errno or 0, "open", f"open network namespace {where!r}") from None
        return cls(fd, path)

    @classmethod
    def find(cls, identity: tuple[int, int]) -> Netns | None:
        """Open the namespace of this identity: this thread's, a named one, or some process's."""
        for path in (Path(_CURRENT), *NAMED.glob("*"), *Path("/proc").glob("[0-9]*/ns/net")):
            with suppress(OSError):
                found = path.stat()
                if (found.st_dev, found.st_ino) == identity:
                    return cls.open(str(path))
        return None

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode number, which tell namespaces apart while they live."""
        found = os.fstat(self.fd)
        return found.st_dev, found.st_ino

    @property
    def name(self) -> str:
        """The name or path that a user knows it by, '' for that of the process."""
        parent, name = os.path.split(self.path)
        return name if parent in (str(NAMED), "/var/run/netns") else self.path

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the body in the namespace, and this thread where it was afterwards."""
        if _is_current(self.identity):
            yield
            return
        home = os.open(_CURRENT, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self.fd, f"enter the network namespace {self.name!r}")
            try:
                yield
            finally:
                _setns(home, "return to the network namespace of the process")
        finally:
            os.close(home)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of netbpf out of the namespace's qdiscs meanwhile.

        Anybody may lock a namespace's file, so the wait has an end, and the body then runs
        unguarded: all that the lock prevents is a rare race.
        """
        held = self._lock()
        try:
            yield
        finally:
            if held:
                fcntl.flock(self.fd, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        deadline = time.monotonic() + _LOCK_PATIENCE
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.005)
        return False

    def close(self) -> None:
        """Let go of the namespace. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def fresh() -> Iterator[None]:
    """Run the body in a network namespace of its own, which goes with it. Needs CAP_SYS_ADMIN."""
    with Netns.open() as home:
        if _libc().unshare(_CLONE_NEWNET) != 0:
            raise _failed(ctypes.get_errno(), "unshare", "make a network namespace")
        try:
            yield
        finally:
            _setns(home.fd, "return to the network namespace of the process")


def locate(where: str | None) -> str:
    """Return the path of a namespace given by name, path or process number; '' for None."""
    if where is None:
        return ""
    if where in ("", ".", "..") or "\0" in where:
        raise UsageError(f"not a network namespace: {where!r}")
    if "/" in where:
        return where
    if where.isdecimal() and not (NAMED / where).exists():
        return f"/proc/{where}/ns/net"
    return str(NAMED / where)


def names() -> list[str]:
    """Return the names that `ip netns` knows, sorted."""
    try:
        return sorted(entry.name for entry in NAMED.iterdir())
    except OSError:
        return []


def _is_current(identity: tuple[int, int]) -> bool:
    found = Path(_CURRENT).stat()
    return (found.st_dev, found.st_ino) == identity


def _setns(fd: int, doing: str) -> None:
    if _libc().setns(fd, _CLONE_NEWNET) != 0:
        raise _failed(ctypes.get_errno(), "setns", doing)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _failed(code: int, command: str, doing: str) -> NetbpfError:
    if code == EINVAL:
        return UsageError(f"cannot {doing}: it is a file of another kind")
    return kernel_error(code, command=command, doing=doing, caps=(Cap.SYS_ADMIN,))


def _known(found: list[str]) -> str:
    return f"there are: {', '.join(found)}" if found else "`ip netns` lists none"
