"""`netbpf compile` is run by scripts, one filter at a time: it must start like a small tool.

How long that takes is for `make bench BENCH=start-up` to say; times of a busy machine prove nothing
here. What can be counted is what there is to do: modules to import, and functions to call.
"""

from __future__ import annotations

import json
import subprocess
import sys

COUNTED = """
import json, sys
calls = 0
def count(frame, event, argument):
    global calls
    calls += event == "call" and "netbpf" in frame.f_code.co_filename
before = set(sys.modules)
sys.setprofile(count)
from netbpf.cli.main import run  # as the console script does
run(["compile", "tcp dst port 80"])
sys.setprofile(None)
modules = set(sys.modules) - before
ours = sorted(name for name in modules if name.partition(".")[0] == "netbpf")
print(json.dumps([calls, len(ours), len(modules) - len(ours)]), file=sys.stderr)
"""
MOST_CALLS = 63_000  # most are of the compiler, which walks over IPv6 extension headers
MOST_MODULES = 105  # of netbpf
MOST_OTHERS = 25  # of the standard library, beside those that Python itself starts with


def test_compiling_does_little_before_it_is_done() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("(000)")
    calls, ours, others = json.loads(done.stderr)
    assert calls < MOST_CALLS
    assert ours < MOST_MODULES
    assert others < MOST_OTHERS
