"""Which CPUs there may be: per-CPU values have one part for each *possible* one."""

from __future__ import annotations

from pathlib import Path

from netbpf.errors import InputError, NotFoundError

_POSSIBLE = "/sys/devices/system/cpu/possible"


def possible() -> int:
    """Return the number of CPUs that may ever come online (not of those that are)."""
    return count(_list())


def bound() -> int:
    """Return what the numbers of all possible CPUs are below: some may be missing."""
    return 1 + max(last for _, last in _ranges(_list()))


def count(text: str) -> int:
    """Return how many parts a per-CPU value has for a kernel CPU list such as '0-3,8-11'."""
    return sum(last - first + 1 for first, last in _ranges(text))


def _list() -> str:
    try:
        return Path(_POSSIBLE).read_text(encoding="ascii")
    except OSError as error:
        raise NotFoundError(
            f"cannot read {_POSSIBLE}: {error.strerror}", remedy="mount -t sysfs sysfs /sys"
        ) from None


def _ranges(text: str) -> list[tuple[int, int]]:
    """Return the first and last CPU of each part of a list."""
    try:
        parts = [part.partition("-") for part in text.strip().split(",")]
        return [(int(first), int(last if dash else first)) for first, dash, last in parts]
    except ValueError:
        raise InputError(f"{_POSSIBLE}: not a list of CPUs: {text.strip()!r}") from None
