"""Find the tools and files outside of the repository that some tests compare netbpf with.

Each returns what it found, or skips the test, saying what is missing. tests/expected_skips.txt
lists the skips that continuous integration puts up with.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def require_tool(name: str) -> str:
    """Return the path of the program `name`, or skip the test."""
    path = find_tool(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def find_tool(name: str) -> str | None:
    """Return the path of the program `name`, in /usr/sbin too, which a user's PATH may lack."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    if name == "bpftool":
        # Ubuntu's bpftool on the PATH is a script that refuses a kernel it has no copy for.
        packaged = [*Path("/usr/lib").glob("linux-tools*/*/bpftool")]
        packaged += Path("/usr/lib").glob("linux-tools-*/bpftool")
        if packaged:
            found = str(max(packaged))
    return found


def require_shared(name: str) -> Path:
    """Return the file `name` of the data directory beside the checkout, or skip the test.

    It holds data that belongs to others, and is no part of the repository.
    """
    path = REPOSITORY.parent / "shared" / "data" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in ../shared/data")
    return path


def patient(seconds: float) -> float:
    """Return `seconds` times the factor NETBPF_PATIENCE (default 1), for machines that are slow."""
    return seconds * float(os.environ.get("NETBPF_PATIENCE", "1"))


def scaled(count: int) -> int:
    """Return `count` times the factor NETBPF_SCALE (default 1), at least 1."""
    return max(1, round(count * float(os.environ.get("NETBPF_SCALE", "1"))))
