"""`python -m tests.vm`: run the tests that need a kernel on many kernels, and print one table."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import skips
from tests.support.tools import REPOSITORY
from tests.vm import record, table
from tests.vm.debian import FetchError
from tests.vm.groups import GROUPS, Group
from tests.vm.kernels import KERNELS, Kernel, Wanted, obtain
from tests.vm.machine import INSIDE, Machine, MachineError, kvm_works, vng

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = "results.jsonl"
FOLDER = REPOSITORY / "build" / "vm"
SCALE = 0.2  # of the generated tests: emulated machines are some ten times slower
EPILOG = """\
examples:
  python -m tests.vm                            the core of every group, on every kernel
  python -m tests.vm --kernel 5.10 --full       everything, on the oldest
  python -m tests.vm --kernel sid --group probes --group attach
  python -m tests.vm --kernel 6.1 --tests tests/net/test_links.py::test_a_wrong_type

Kernels are Debian's, fetched once into ~/.cache/netbpf/kernels (or NETBPF_KERNELS) by an apt with
sources of its own, from the mirrors that this machine's apt uses (or NETBPF_DEBIAN_MIRROR="MAIN
SECURITY"). What a machine said is in build/vm/KERNEL: console, output (pytest's), results.jsonl.
"""


def main() -> int:
    """Run, print the table, and return 0 if everything is as it should be, else 1."""
    options = _options()
    # Also when told to end by somebody else, the machines go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = [kernel for kernel in KERNELS if kernel.name in (options.kernel or kernel.name)]
    groups = [group for group in GROUPS if group.name in (options.group or group.name)]
    try:
        vng()
        kernels = [_obtain(kernel, renew=options.renew) for kernel in wanted]
        kvm = _accelerated(options.kvm, kernels[0])
    except (FetchError, MachineError) as error:
        sys.exit(f"tests.vm: {error}")
    _compile_tests(groups)
    minutes = options.minutes or (240 if options.full else 45)
    deadline = time.monotonic() + minutes * 60
    rows: list[table.Row] = []
    for left, kernel in zip(range(len(kernels), 0, -1), kernels, strict=True):
        # One that hangs leaves time to the others.
        seconds = (deadline - time.monotonic()) * min(1, 2 / left)
        run = _run(kernel, groups, options, kvm=kvm, seconds=seconds)
        rows += table.rows(run, groups, skips.expected())
    print(f"\n{table.render(rows)}")
    if options.json:
        options.json.write_text(json.dumps(table.to_json(rows), indent=1) + "\n")
    return 0 if table.green(rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = [kernel.name for kernel in KERNELS]
    add("--kernel", action="append", choices=names, help="this kernel only; may be repeated")
    groups = [group.name for group in GROUPS]
    add("--group", action="append", choices=groups, help="this group only; may be repeated")
    add("--full", action="store_true", help="all of the tests, not only the core of each group")
    add("--tests", nargs="+", metavar="ID", help="these tests, in place of the groups' own")
    add("--kvm", choices=["auto", "on", "off"], default="auto", help="default: if it proves itself")
    add("--minutes", type=float, help="for all kernels together (default: 45; with --full, 240)")
    add("--renew", action="store_true", help="fetch newer kernels, where there are any")
    add("--json", type=Path, metavar="FILE", help="write the table to FILE, too")
    return parser.parse_args()


def _obtain(wanted: Wanted, *, renew: bool) -> Kernel:
    kernel = obtain(wanted, _say, renew=renew)
    _say(f"{wanted.name}: Linux {kernel.release}")
    return kernel


def _accelerated(choice: str, kernel: Kernel) -> bool:
    if choice != "auto":
        return choice == "on"
    works = kvm_works(kernel, _folder("kvm"))
    _say("KVM works" if works else "KVM does not work here: the processor is emulated in software")
    return works


def _compile_tests(groups: Sequence[Group]) -> None:
    """Let pytest compile its tests here, where it takes seconds, and not in each machine again."""
    paths = [path for group in groups for path in group.paths]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", *paths]
    subprocess.run(command, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL)


def _run(
    kernel: Kernel,
    groups: Sequence[Group],
    options: argparse.Namespace,
    *,
    kvm: bool,
    seconds: float,
) -> table.Run:
    share = _folder(kernel.name)
    paths = options.tests or [path for group in groups for path in group.paths]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.vm.record"]
    command += [] if options.full or options.tests else ["-p", "tests.vm.choose"]
    command += [
        "-m",
        "root and not slow",
        "--timeout=900",
        "--tb=short",
        "--color=no",
        "-v",
        *paths,
    ]
    env = {
        "CI": "true",
        "HOME": str(Path.home()),
        skips.MACHINE: kernel.name,
        "NETBPF_SCALE": str(SCALE if options.full else SCALE / 2),
        "NETBPF_PATIENCE": "1" if kvm else "10",
        "PYTHONDONTWRITEBYTECODE": "1",
        record.FILE: f"{INSIDE}/{RESULTS}",
    }
    _say(f"{kernel.release}: running")
    began = time.monotonic()
    outcome = Machine(kernel, share, kvm=kvm).run(command, env, seconds=seconds)
    _say(f"{kernel.release}: done in {time.monotonic() - began:.0f} s {outcome.trouble}")
    return table.Run(
        kernel=kernel.name,
        release=kernel.release,
        record=record.read(share / RESULTS),
        status=outcome.status,
        seconds=outcome.seconds,
        trouble=outcome.trouble,
    )


def _folder(name: str) -> Path:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
