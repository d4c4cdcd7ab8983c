"""File descriptors: a second one for what another owner may close first."""

from __future__ import annotations

import os

from netbpf.kernel.errors import kernel_error


def duplicate(fd: int) -> int:
    """Return another descriptor for what `fd` names, closed on exec."""
    try:
        return os.dup(fd)
    except OSError as error:
        doing = "keep a file descriptor"
        raise kernel_error(error.errno or 0, command="dup", doing=doing, caps=()) from None
