"""`netbpf compile` is run by scripts, one filter at a time: it must start like a small tool."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

COMPILE = """
import sys
from netbpf.cli.main import main  # as the console script does
sys.argv = ["netbpf", "compile", "tcp dst port 80"]
main()
"""
MOST = 8.0  # times `python3 -c pass`
ROUNDS = 20


def test_compile_starts_fast(tmp_path: Path) -> None:
    """Measured as processor time, and the least of many: a busy machine only adds to either."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds(COMPILE, environment)  # writes the bytecode
    rounds = [(seconds("pass", environment), seconds(COMPILE, environment)) for _ in range(ROUNDS)]
    bare, compiled = (min(times) for times in zip(*rounds, strict=True))
    assert compiled / bare < MOST


def seconds(code: str, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (code == "pass") == (done.stdout == b"")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
