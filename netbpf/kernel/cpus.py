"""Which CPUs there may be: per-CPU values have one part for each *possible* one."""

from __future__ import annotations

from pathlib import Path

from netbpf.errors import InputError, NotFoundError

_POSSIBLE = "/sys/devices/system/cpu/possible"


def possible() -> int:
    """Return the number of CPUs that may ever come online (not of those that are)."""
    try:
        return count(Path(_POSSIBLE).read_text(encoding="ascii"))
    except OSError as error:
        raise NotFoundError(
            f"cannot read {_POSSIBLE}: {error.strerror}", remedy="mount -t sysfs sysfs /sys"
        ) from None


def count(text: str) -> int:
    """Return how many parts a per-CPU value has for a kernel CPU list such as '0-3,8-11'."""
    try:
        total = 0
        for part in text.strip().split(","):
            first, dash, last = part.partition("-")
            total += int(last if dash else first) - int(first) + 1
    except ValueError:
        raise InputError(f"{_POSSIBLE}: not a list of CPUs: {text.strip()!r}") from None
    return total
