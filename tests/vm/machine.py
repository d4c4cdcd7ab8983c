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
    from collections.abc import Callable, Mapping, Sequence

    from tests.vm.kernels import Kernel

GUEST = Path(__file__).with_name("guest.sh")
INSIDE = "/run/share"  # the shared folder, as the command sees it
TAG = "netbpf"
KVM = Path("/dev/kvm")
KVM_PROOF = 60  # seconds for a boot that takes 3 with a KVM that works
BOOTS = 2  # times to try
BOOT = 120  # seconds for a boot that takes 10 to 40
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
        words = ["env", *(f"{key}={value}" for key, value in env.items()), *command]
        began = time.monotonic()
        in_time = False
        for _ in range(BOOTS):
            for name in ("console", "output", "release", "status"):
                (self.share / name).unlink(missing_ok=True)
            left = began + seconds - time.monotonic()
            in_time = _bounded(self._start(words), self.share / "console", left, self._booted)
            if self._booted() or time.monotonic() > began + seconds:
                break
        taken = time.monotonic() - began
        with suppress(FileNotFoundError, ValueError):
            return Outcome(int((self.share / "status").read_text()), taken)
        return Outcome(None, taken, self._trouble(in_time, taken))

    def _booted(self) -> bool:
        return (self.share / "release").exists()

    def _trouble(self, in_time: bool, taken: float) -> str:
        if not self._booted():
            return f"it did not boot in {taken:.0f} s"
        return "it crashed" if in_time else f"stopped after {taken:.0f} s, while the tests ran"

    def _start(self, words: Sequence[str]) -> list[str]:
        guest = [GUEST, TAG, self.share, self.kernel.modules, REPOSITORY, *words]
        # In a file: on the kernel's command line there is room for 2,048 bytes, and beyond them a
        # kernel hangs without a word.
        start = self.share / "start"
        start.write_text(f"exec bash {shlex.join(map(str, guest))}\n")
        export = f"local,id={TAG},path=/,security_model=none,readonly=on,multidevs=remap"
        options = [
            *("--run", self.kernel.image, "--force-9p", "--memory", self.memory, "--verbose"),
            *("--cpus", str(os.cpu_count() or 1), "--rwdir", self.share),
            # An emulated processor leaks nothing, and pays dearly for the care.
            *("--append", "mitigations=off", "--append", "init_on_alloc=0"),
            f"--qemu-opts=-fsdev {export} -device virtio-9p-pci,fsdev={TAG},mount_tag={TAG}",
            *("--exec", shlex.join(["bash", str(start)])),
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


def _bounded(
    command: Sequence[str], console: Path, seconds: float, booted: Callable[[], bool]
) -> bool:
    """Run a command for so many seconds at most, with all that it starts; say if it was enough.

    It is ended earlier if it has not `booted` after BOOT seconds.
    """
    path = f"{Path(command[0]).parent}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    # If this process is killed without a chance to clean up, timeout(1) does.
    bounded = ["timeout", f"--kill-after={GRACE}", str(seconds + GRACE), *command]
    began = time.monotonic()
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
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=min(BOOT, seconds))
        if process.poll() is None and booted():
            process.wait(timeout=max(0.0, began + seconds - time.monotonic()))
        return process.poll() is not None
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process)


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
