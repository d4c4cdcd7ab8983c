"""A BPF file system of a test's own, so that pins of the machine are neither seen nor touched."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netbpf.kernel import bpffs


@contextmanager
def private() -> Iterator[Path]:
    """Mount a BPF file system on a fresh directory; unmount and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="nbtest-bpf-") as directory:
        bpffs.mount(Path(directory))
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", directory], check=True)
