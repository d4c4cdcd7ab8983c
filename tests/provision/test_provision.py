"""vagrant/provision.sh, on a minimal Debian 12: `make test-provision`.

Not part of `make test`: it installs some hundred megabytes.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.chroot import Chroot

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

CHECKOUT = "/home/vagrant/netbpf"
SCRIPT = f"{CHECKOUT}/vagrant/provision.sh"
WRITTEN = ("/etc/fstab", "/etc/profile.d/netbpf.sh")

pytestmark = [pytest.mark.root, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroot]:
    """Make a machine like that of Vagrant's box, provisioned once."""
    root = tmp_path_factory.mktemp("debian")
    try:
        made = Chroot(root, "bookworm")
        made.run("useradd", "--create-home", "--shell", "/bin/bash", "vagrant")
        made.copy_checkout(CHECKOUT)
        made.run("chown", "--recursive", "vagrant:", "/home/vagrant")
        made.run(SCRIPT)
        yield made
    finally:
        shutil.rmtree(root)


def log_in(machine: Chroot, command: str) -> subprocess.CompletedProcess[str]:
    """Do what `vagrant ssh -c` does: a login shell runs the command."""
    return machine.run("su", "--login", "vagrant", "--command", command)


def test_make_test_works_after_logging_in(machine: Chroot) -> None:
    done = log_in(machine, "pwd; make test PYTEST_ARGS='tests/unit/asm tests/unit/kernel'")
    assert done.stdout.splitlines()[0] == CHECKOUT
    assert " passed" in done.stdout.splitlines()[-1]


def test_root_can_run_the_kernel_tests(machine: Chroot) -> None:
    command = f"cd {CHECKOUT} && mount --all && make test PYTEST_ARGS=tests/net/test_features.py"
    done = machine.run("sh", "-c", command)
    assert " passed" in done.stdout.splitlines()[-1]
    assert log_in(machine, f"find {CHECKOUT} -user root -path '*/.venv/*'").stdout == ""


def test_everybody_has_netbpf(machine: Chroot) -> None:
    assert "tcp" in log_in(machine, "cd / && netbpf compile --help").stdout
    assert machine.run("sh", "-c", "cd / && netbpf list").returncode == 0


def test_the_bpf_file_system_is_there_after_a_boot(machine: Chroot) -> None:
    report = machine.run("sh", "-c", "mount --all && netbpf doctor --json").stdout
    found = {row["name"]: row for row in json.loads(report)["features"]}["BPF file system"]
    assert (found["available"], found["detail"]) == (True, "/sys/fs/bpf")


def test_only_the_owner_begins_in_the_checkout(machine: Chroot) -> None:
    assert machine.run("su", "--login", "root", "--command", "pwd").stdout == "/root\n"


def test_a_second_time_changes_nothing(machine: Chroot) -> None:
    before = {path: machine.text(path) for path in WRITTEN}
    packages = machine.run("dpkg", "--list").stdout
    again = machine.run(SCRIPT)
    assert "installing" not in again.stdout
    assert {path: machine.text(path) for path in WRITTEN} == before
    assert machine.run("dpkg", "--list").stdout == packages
    assert before["/etc/fstab"].count("/sys/fs/bpf") == 1


def test_it_asks_for_root(machine: Chroot) -> None:
    done = machine.run("su", "--login", "vagrant", "--command", SCRIPT, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"netbpf: provisioning needs root: sudo {SCRIPT}\n",
    )
