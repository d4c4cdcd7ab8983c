"""`netbpf compile` is run by scripts, one filter at a time: it must start like a small tool."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

COMPILE = """
import sys
from netbpf.cli.main import main  # as the console script does
sys.argv = ["netbpf", "compile", "tcp dst port 80"]
main()
"""
MOST = 8.0  # times `python3 -c pass`
ROUNDS = 9


def test_compile_starts_fast(tmp_path: Path) -> None:
    """Measured as processor time, which a busy machine does not stretch as it does wall time."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds(COMPILE, environment)  # writes the bytecode
    rounds = [(seconds("pass", environment), seconds(COMPILE, environment)) for _ in range(ROUNDS)]
    assert median(compiled / bare for bare, compiled in rounds) < MOST


def seconds(code: str, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (code == "pass") == (done.stdout == b"")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
