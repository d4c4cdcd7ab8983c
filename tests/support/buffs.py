"""The two ways in which socket programs read, as a test's parameter."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netbpf.kernel import buff

if TYPE_CHECKING:
    from netbpf.btf.skb import SkBuff

DIRECT = "socket filters that read directly"


@cache
def this_kernels() -> SkBuff:
    """Return what this kernel must have; fails where it does not."""
    return buff.tried()


class Way(NamedTuple):
    """A way to read; see tests.support.skips for `needs_kernel`."""

    name: str
    needs_kernel: str = ""

    def __str__(self) -> str:
        return self.name

    def buff(self) -> SkBuff | None:
        """Return what a program is compiled with."""
        return this_kernels() if self.needs_kernel else None


SOCKETS = pytest.mark.parametrize("way", [Way("LD_ABS"), Way("direct", DIRECT)], ids=str)
