"""Which programs, maps and links the kernel holds, by its own ids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from netbpf.errors import KernelError
from netbpf.kernel import info
from netbpf.kernel.info import Kind

Object = tuple[Kind, int]


class Watch:
    """The programs of one name, with their maps and links: which there were, which there are.

    Others' objects come and go meanwhile, so ids are remembered, not counted. `seen` grows with
    every `look`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[Object] = set()

    def look(self) -> None:
        """Remember what there is now."""
        programs = set(self._programs())
        self.seen |= programs | set(_links({id_ for kind, id_ in programs if kind is Kind.PROG}))

    def left(self) -> set[Object]:
        """Return what was seen and is in the kernel still."""
        alive = {(kind, id_) for kind in {kind for kind, _ in self.seen} for id_ in info.ids(kind)}
        return self.seen & alive

    def _programs(self) -> Iterator[Object]:
        for id_ in info.ids(Kind.PROG):
            with suppress(KernelError), info.opened(Kind.PROG, id_) as fd:  # it may be gone by now
                program = info.prog(fd)
                if program.name == self.name:
                    yield Kind.PROG, id_
                    yield from ((Kind.MAP, one) for one in program.map_ids)


def _links(programs: set[int]) -> Iterator[Object]:
    with suppress(KernelError):  # links have ids since Linux 5.8
        for id_ in info.ids(Kind.LINK):
            with suppress(KernelError), info.opened(Kind.LINK, id_) as fd:
                if info.link(fd).prog_id in programs:
                    yield Kind.LINK, id_
