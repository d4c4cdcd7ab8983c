"""What every attach point has in common: a link that can be asked about, replaced and closed.

A link remembers the network namespace that it was made in, and works there from anywhere.
Depends on kernel, objects.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from netbpf.errors import KernelError, NotFoundError
from netbpf.kernel import info
from netbpf.kernel.fds import duplicate
from netbpf.kernel.netns import Netns
from netbpf.objects import Program
from netbpf.records import dataclass, replace
from netbpf.spec import Target


@dataclass(frozen=True, slots=True)
class Description:
    """Where a program is attached, for people and for `--json`.

    `mode` is 'native' or 'generic' at XDP, 'tcx' or 'clsact' at tc, 'packet' for a socket.
    `note` says what the user might have expected otherwise, or is ''.
    """

    target: Target
    interface: str
    ifindex: int
    mode: str
    prog_id: int
    note: str = ""


class Link(AbstractContextManager["Link"], ABC):
    """An attached program. Close it to detach; leave it to let it stay."""

    @abstractmethod
    def describe(self) -> Description:
        """Return where the program is attached."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether the program is still attached: nobody replaced it, the interface is there."""

    @abstractmethod
    def replace(self, program: Program) -> None:
        """Put another program in its place, so that no packet meets none."""

    @abstractmethod
    def close(self) -> None:
        """Detach. Quiet where the interface or the program is gone; may be called again."""

    def __exit__(self, *_: object) -> None:
        self.close()


class Place(AbstractContextManager["Place"]):
    """A described hook, with the namespace it is in and the program that we put there.

    Holds a descriptor of the program: it is how the kernel is told which one we mean.
    """

    def __init__(self, description: Description, netns: Netns, prog_fd: int) -> None:
        self.description = description
        self.netns = netns
        self.prog_fd = prog_fd

    @classmethod
    def here(cls, description: Description, prog_fd: int) -> Place:
        """Remember a hook in the namespace of the calling thread."""
        with ExitStack() as stack:
            netns = stack.enter_context(Netns.open())
            place = cls(description, netns, duplicate(prog_fd))
            stack.pop_all()
            return place

    @property
    def ifindex(self) -> int:
        """The index of the interface."""
        return self.description.ifindex

    @property
    def prog_id(self) -> int:
        """The kernel's number for the program."""
        return self.description.prog_id

    @property
    def closed(self) -> bool:
        """Whether the place has been let go of."""
        return self.prog_fd < 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the body in the hook's namespace."""
        if self.closed:
            raise NotFoundError(f"the attachment to {self.description.interface} is closed")
        with self.netns.entered():
            yield

    def hold(self, program: Program) -> None:
        """Hold another program instead."""
        fresh = duplicate(program.fd)
        os.close(self.prog_fd)
        self.prog_fd = fresh
        self.description = replace(self.description, prog_id=program.id)

    def close(self) -> None:
        """Let go of namespace and program. May be called again."""
        self.netns.close()
        if not self.closed:
            os.close(self.prog_fd)
            self.prog_fd = -1

    def __exit__(self, *_: object) -> None:
        self.close()


class LastingLink(Link):
    """An attachment that belongs to the interface, and stays until it is closed."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def describe(self) -> Description:
        """Return where the program is attached."""
        return self._place.description

    def leave(self) -> None:
        """Let go of the program, and leave it attached."""
        self._place.close()


def holder(prog_id: int) -> str:
    """Name a program that is in the way: "program 12 'xdp_main'"."""
    try:
        with info.opened(info.Kind.PROG, prog_id) as fd:
            return f"program {prog_id} {info.prog(fd).name!r}"
    except KernelError:  # gone meanwhile, or not for us to see
        return f"program {prog_id}"
