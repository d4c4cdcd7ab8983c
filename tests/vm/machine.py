"""A virtual machine that boots a kernel on this machine's own files, runs a command, and is gone.

virtme-ng starts QEMU with the host's root as the guest's, read-only; guest.sh does the rest inside.
The command's output, exit status and files come back through a shared folder. Software emulation is
the rule: KVM inside of a virtual machine often hangs or crashes at boot, so it has to prove itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.tools import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.vm.kernels import Kernel

GUEST = Path(__file__).with_name("guest.sh")
INSIDE = "/run/share"  # the shared folder, as the command sees it
TAG = "netbpf"
KVM = Path("/dev/kvm")
KVM_PROOF = 60  # seconds for a boot that takes 3 with a KVM that works
GRACE = 10  # seconds for QEMU to end when told to


class MachineError(Exception):
    """No machine could be started; the message says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """How a command in a machine ended: `status` is its exit status, or None when `trouble` says
    why there is none. `seconds` are those of the whole machine."""

    status: int | None
    seconds: float
    trouble: str = ""


@dataclass(frozen=True)
class Machine:
    """A kernel, and how to run it. Nothing runs before `run`, and nothing after."""

    kernel: Kernel
    share: Path
    kvm: bool = False
    memory: str = "2G"

    def run(self, command: Sequence[str], env: Mapping[str, str], *, seconds: float) -> Outcome:
        """Boot, run a command in the checkout, power off; all within `seconds`.

        The shared folder gets `console`, `output` and whatever the command writes to INSIDE.
        """
        for name in ("console", "output", "release", "status"):
            (self.share / name).unlink(missing_ok=True)
        words = ["env", *(f"{key}={value}" for key, value in env.items()), *command]
        began = time.monotonic()
        in_time = _bounded(self._start(words), self.share / "console", seconds)
        taken = time.monotonic() - began
        with suppress(FileNotFoundError, ValueError):
            return Outcome(int((self.share / "status").read_text()), taken)
        return Outcome(None, taken, self._trouble(in_time, seconds))

    def _trouble(self, in_time: bool, seconds: float) -> str:
        booted = (self.share / "release").exists()
        if not in_time:
            doing = "the tests ran" if booted else "it booted"
            return f"stopped after {seconds:.0f} s, while {doing}"
        return "it crashed" if booted else "it did not boot"

    def _start(self, words: Sequence[str]) -> list[str]:
        guest = [GUEST, TAG, self.share, self.kernel.modules, REPOSITORY, *words]
        export = f"local,id={TAG},path=/,security_model=none,readonly=on,multidevs=remap"
        options = [
            *("--run", self.kernel.image, "--force-9p", "--memory", self.memory, "--verbose"),
            *("--cpus", str(os.cpu_count() or 1), "--rwdir", self.share),
            # An emulated processor leaks nothing, and pays dearly for the care.
            *("--append", "mitigations=off", "--append", "init_on_alloc=0"),
            f"--qemu-opts=-fsdev {export} -device virtio-9p-pci,fsdev={TAG},mount_tag={TAG}",
            *("--exec", shlex.join(["bash", *map(str, guest)])),
        ]
        kvm = [] if self.kvm else ["--disable-kvm"]
        return [vng(), *kvm, *map(str, options)]


def vng() -> str:
    """Return the path of virtme-ng's program. Raises MachineError without it, or without QEMU."""
    beside = shutil.which("vng", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("vng")
    if found is None:
        raise MachineError("virtme-ng is not installed: `make test-vm` does that")
    if shutil.which("qemu-system-x86_64") is None:
        raise MachineError("qemu-system-x86_64 is not installed (package qemu-system-x86)")
    return found


def kvm_works(kernel: Kernel, share: Path) -> bool:
    """Whether a machine with KVM boots and runs a command; found out within KVM_PROOF seconds."""
    if not os.access(KVM, os.R_OK | os.W_OK):
        return False
    proof = Machine(kernel, share, kvm=True).run(["true"], {}, seconds=KVM_PROOF)
    return proof.status == 0


def _bounded(command: Sequence[str], console: Path, seconds: float) -> bool:
    """Run a command for so many seconds at most, with all that it starts; say if it was enough."""
    # If this process is killed without a chance to clean up, timeout(1) does.
    path = f"{Path(command[0]).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    bounded = ["timeout", f"--kill-after={GRACE}", str(seconds + GRACE), *command]
    with console.open("wb") as log:
        process = subprocess.Popen(
            bounded,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=REPOSITORY,
            env={**os.environ, "PATH": path},
        )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process's group, which is no one else's, and wait for that."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        while _signalled(process.pid, number) and time.monotonic() < deadline:
            process.poll()
            time.sleep(0.1)


def _signalled(group: int, number: int) -> bool:
    """Whether there was a process in the group, to which the signal was sent."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
