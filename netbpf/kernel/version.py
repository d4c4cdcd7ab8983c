"""The running kernel's version, to say what a failure may mean. Never to forbid: probes do that."""

from __future__ import annotations

import os
import re
from typing import NamedTuple


class Version(NamedTuple):
    """Major and minor number; the rest says nothing about features."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def parse(text: str) -> Version:
    """Read '6.18.44-generic', '5.9'; what is no version reads as 0.0."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return Version(int(found[1]), int(found[2])) if found else Version(0, 0)


def running() -> Version:
    """Return the version that uname(2) tells. Distributions add features without raising it."""
    return parse(os.uname().release)
