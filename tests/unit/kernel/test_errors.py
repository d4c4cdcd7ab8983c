"""What a failed call is called: the class, the words, and what to do about it."""

from __future__ import annotations

from errno import (
    E2BIG,
    EACCES,
    EBUSY,
    EINVAL,
    EMFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
    errorcode,
)

import pytest

from netbpf.errors import AttachError, KernelError, NotSupportedError, PrivilegeError
from netbpf.kernel import errors, privilege, version
from netbpf.kernel.errors import ENOTSUPP, kernel_error
from netbpf.kernel.version import Version
from netbpf.uapi.bpf import Cmd
from netbpf.uapi.capability import Cap

EVERYTHING = frozenset(Cap)


class Machine:
    """What a process may do, and on what kernel, as the tests want it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.set(effective=EVERYTHING, in_user_namespace=False, seccomp_filtered=False)
        self.set(lockdown="", memlock_limits=False)

    def set(self, **answers: object) -> None:
        for name, answer in answers.items():
            self._patch.setattr(privilege, name, lambda answer=answer: answer)

    def version(self, major: int, minor: int) -> None:
        self._patch.setattr(version, "running", lambda: Version(major, minor))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def failed(code: int, command: Cmd | str = Cmd.PROG_LOAD) -> KernelError:
    return kernel_error(code, command=command, doing="do it", caps=(Cap.BPF, Cap.NET_ADMIN))


@pytest.mark.parametrize("code", [EPERM, EACCES])
@pytest.mark.parametrize(
    ("held", "named"),
    [
        (frozenset(), "CAP_BPF and CAP_NET_ADMIN"),
        (frozenset({Cap.BPF}), "CAP_NET_ADMIN"),
        (frozenset({Cap.NET_ADMIN, Cap.NET_RAW}), "CAP_BPF"),
    ],
)
def test_missing_capabilities_are_named(
    held: frozenset[Cap], named: str, code: int, machine: Machine
) -> None:
    machine.set(effective=held)
    error = failed(code)
    assert isinstance(error, PrivilegeError)
    assert error.message == (f"cannot do it: that needs {named} (BPF_PROG_LOAD: {errorcode[code]})")
    assert error.remedy == f"run it as root (sudo), or give the process {named}"
    assert (error.command, error.errno) == ("BPF_PROG_LOAD", code)


def test_sys_admin_stands_for_what_was_split_off_it(machine: Machine) -> None:
    machine.set(effective=frozenset({Cap.SYS_ADMIN}))
    assert "needs CAP_NET_ADMIN" in failed(EPERM).message


@pytest.mark.parametrize(
    ("facts", "told", "remedy"),
    [
        ({"in_user_namespace": True}, "only inside its user namespace", "container"),
        ({"memlock_limits": True}, "RLIMIT_MEMLOCK is too small", "ulimit -l unlimited"),
        ({"lockdown": "confidentiality"}, "locked down (confidentiality)", "kernel_lockdown(7)"),
        ({"seccomp_filtered": True}, "seccomp", "allow bpf(2)"),
        ({}, "the kernel does not permit it", "security module"),
    ],
)
def test_other_causes_of_a_refusal(
    facts: dict[str, object], told: str, remedy: str, machine: Machine
) -> None:
    machine.set(**facts)
    error = failed(EPERM, Cmd.MAP_CREATE)
    assert isinstance(error, PrivilegeError)
    assert told in error.message
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("code", "command", "kind", "told"),
    [
        (E2BIG, Cmd.PROG_LOAD, KernelError, "larger than this kernel allows"),
        (E2BIG, Cmd.MAP_CREATE, KernelError, "the map is larger"),
        (E2BIG, Cmd.MAP_UPDATE_ELEM, KernelError, "the map is full"),
        (EINVAL, Cmd.MAP_CREATE, KernelError, "does not know the map's type"),
        (EINVAL, Cmd.LINK_CREATE, NotSupportedError, "no BPF link"),
        (EOPNOTSUPP, Cmd.LINK_CREATE, NotSupportedError, "no native XDP"),
        (EBUSY, Cmd.LINK_CREATE, AttachError, "another program is attached"),
        (ENODEV, Cmd.LINK_CREATE, AttachError, "the interface is gone"),
        (EPERM, Cmd.OBJ_PIN, KernelError, "not on a BPF file system"),
        (ENOENT, Cmd.OBJ_GET, KernelError, "nothing is pinned there"),
        (EMFILE, Cmd.MAP_CREATE, KernelError, "too many open files"),
        (ENOMEM, Cmd.MAP_CREATE, KernelError, "out of memory"),
        (ENOSYS, Cmd.PROG_LOAD, NotSupportedError, "no bpf(2)"),
        (ENOTSUPP, Cmd.PROG_TEST_RUN, NotSupportedError, "cannot do that"),
        (ENOSPC, "setns", KernelError, "no space left on device"),
        (0, "setns", KernelError, ""),
    ],
)
def test_words_of_an_errno(
    code: int, command: Cmd | str, kind: type[KernelError], told: str, machine: Machine
) -> None:
    del machine
    error = failed(code, command)
    assert type(error) is kind
    assert error.message.startswith("cannot do it: ")
    assert told in error.message
    assert error.errno == code


def test_not_supported_names_the_version(machine: Machine) -> None:
    machine.version(5, 4)
    error = failed(EINVAL, Cmd.LINK_CREATE)
    assert isinstance(error, NotSupportedError)
    assert error.since == "5.9 (XDP), 6.6 (tcx)"
    assert error.remedy == "use Linux 5.9 (XDP), 6.6 (tcx) or newer; this is 5.4"


def test_a_socket_filter_for_which_there_is_no_room(machine: Machine) -> None:
    del machine
    error = failed(ENOMEM, "SO_ATTACH_BPF")
    assert "larger than net.core.optmem_max" in error.message
    assert error.remedy.startswith("sysctl net.core.optmem_max=")
    assert "out of memory" in failed(ENOMEM, Cmd.MAP_CREATE).message


def test_every_meaning_can_be_reached() -> None:
    """A row behind another with the same command and errno would never be used."""
    seen = set()
    for row in errors._MEANINGS:
        assert (row.command, row.errno) not in seen
        assert (None, row.errno) not in seen
        seen.add((row.command, row.errno))
