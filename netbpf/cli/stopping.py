"""Stop on SIGINT or SIGTERM at a moment of one's own choosing."""

from __future__ import annotations

import select
import signal
import socket
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(AbstractContextManager["Stop"]):
    """While entered, the signals only make `asked` true and end `wait`.

    So neither attaching nor detaching is ever interrupted half way.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self._woken, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._before_fd = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def wait(self, seconds: float) -> bool:
        """Wait, but not when asked to stop; return whether that is so."""
        deadline = time.monotonic() + seconds
        while not self.asked:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if select.select([self._woken], [], [], left)[0]:
                self._woken.recv(4096)
        return self.asked

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before_fd)
        self._woken.close()
        self._wake.close()
