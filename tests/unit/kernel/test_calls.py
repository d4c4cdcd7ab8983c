"""How calls are retried, with a kernel that is made up: signals, logs that do not fit, memlock."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from errno import EACCES, EAGAIN, EINTR, EINVAL, EMFILE, ENOSPC, ENOSYS, EPERM

import pytest

from netbpf.errors import KernelError, NotSupportedError, PrivilegeError, VerifierError
from netbpf.kernel import attr, maps, privilege, progs, syscall
from netbpf.kernel.progs import Image
from netbpf.uapi.bpf import Cmd, MapType, ProgType
from netbpf.uapi.capability import Cap

Answer = tuple[int, str]  # an errno or, negated, a result; and what it writes to the log
IMAGE = Image(ProgType.XDP, bytes(16), "GPL", "made_up")


class Kernel:
    """Gives one answer per call, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Cmd, ctypes.Structure]] = []
        self.errno = 0

    def __call__(self, _: int, command: int, request: ctypes.Structure, size: int) -> int:
        asked = request._obj  # what ctypes.byref holds
        assert size == ctypes.sizeof(asked)
        self.calls.append((Cmd(command), asked))
        code, log = self.answers.pop(0)
        if log:
            written = log.encode()[: asked.log_size - 1]
            ctypes.memmove(asked.log_buf, written + b"\0", len(written) + 1)
        if code <= 0:
            return -code
        self.errno = code
        return -1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    def answering(*answers: Answer) -> Kernel:
        made = Kernel(*answers)
        monkeypatch.setattr(syscall, "_syscall", made)
        monkeypatch.setattr(ctypes, "get_errno", lambda: made.errno)
        return made

    monkeypatch.setattr(privilege, "effective", lambda: frozenset(Cap))
    return answering


def call() -> int:
    return syscall.bpf(Cmd.MAP_FREEZE, attr.MapFreeze(map_fd=3), "try")


@pytest.mark.parametrize("code", [EAGAIN, EINTR])
def test_interrupted_calls_are_tried_five_times(code: int, kernel: Callable[..., Kernel]) -> None:
    made = kernel(*[(code, "")] * 4, (-7, ""))
    assert call() == 7
    assert len(made.calls) == 5
    made = kernel(*[(code, "")] * 5, (-7, ""))
    with pytest.raises(KernelError) as caught:
        call()
    assert caught.value.errno == code
    assert len(made.calls) == 5


def test_other_errors_are_not_tried_again(kernel: Callable[..., Kernel]) -> None:
    made = kernel((EMFILE, ""), (-7, ""))
    with pytest.raises(KernelError, match="too many open files"):
        call()
    assert len(made.calls) == 1


def test_unknown_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    class Uname:
        machine, release = "vax", "6.1.0"

    monkeypatch.setattr(os, "uname", Uname)
    with pytest.raises(NotSupportedError) as caught:
        call()
    assert caught.value.errno == ENOSYS


@pytest.mark.parametrize(
    ("machine", "number"), [("x86_64", 321), ("aarch64", 280), ("armv7l", 386), ("s390x", 351)]
)
def test_number_of_the_call(machine: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Uname:
        release = "6.1.0"

    Uname.machine = machine  # type: ignore[attr-defined]  # a class body cannot see the argument
    monkeypatch.setattr(os, "uname", Uname)
    assert syscall._number() == number


def test_program_that_loads_is_asked_for_no_log(kernel: Callable[..., Kernel]) -> None:
    made = kernel((-9, ""))
    assert progs.load(IMAGE) == (9, "")
    ((_, asked),) = made.calls
    assert (asked.log_level, asked.log_size, asked.log_buf) == (0, 0, 0)
    assert (asked.prog_type, asked.insn_cnt) == (ProgType.XDP, 2)


def test_refused_program_is_loaded_again_with_a_log(kernel: Callable[..., Kernel]) -> None:
    log = "0: (95) exit\nR0 !read_ok\nprocessed 1 insns\n"
    made = kernel((EACCES, ""), (EACCES, log))
    with pytest.raises(VerifierError) as caught:
        progs.load(IMAGE)
    assert (caught.value.line, caught.value.log) == ("R0 !read_ok", log)
    assert [asked.log_level for _, asked in made.calls] == [0, 1]


def test_log_that_does_not_fit_gets_more_room(kernel: Callable[..., Kernel]) -> None:
    log = "0: (95) exit\nR0 !read_ok\n"
    made = kernel((EACCES, ""), (ENOSPC, "x" * 99), (ENOSPC, "x" * 99), (EACCES, log))
    with pytest.raises(VerifierError, match="R0 !read_ok"):
        progs.load(IMAGE)
    assert [asked.log_size for _, asked in made.calls] == [0, 1 << 16, 1 << 18, 1 << 20]


def test_log_that_never_fits_is_told_as_far_as_it_goes(kernel: Callable[..., Kernel]) -> None:
    cut = "7: (61) r2 = *(u32 *)(r9 +4)\n"
    made = kernel((EACCES, ""), *[(ENOSPC, cut)] * 5)
    with pytest.raises(VerifierError, match=r"7: \(61\)"):
        progs.load(IMAGE)
    assert made.calls[-1][1].log_size == (1 << 24) - 1
    assert not made.answers


def test_program_that_loads_the_second_time(kernel: Callable[..., Kernel]) -> None:
    kernel((EAGAIN, ""), (EAGAIN, ""), (EAGAIN, ""), (EAGAIN, ""), (EAGAIN, ""), (-4, "fine\n"))
    assert progs.load(IMAGE) == (4, "fine\n")


def test_failure_before_the_verifier_has_no_log(kernel: Callable[..., Kernel]) -> None:
    kernel((EINVAL, ""), (EINVAL, ""))
    with pytest.raises(KernelError, match="does not know the program's type") as caught:
        progs.load(IMAGE)
    assert not isinstance(caught.value, VerifierError)


def test_failure_behind_the_verifier_is_no_refusal(kernel: Callable[..., Kernel]) -> None:
    passed = "0: (b7) r0 = 0\n1: (95) exit\nprocessed 2 insns (limit 1000000)\n"
    kernel((EMFILE, ""), (EMFILE, passed))
    with pytest.raises(KernelError, match="too many open files"):
        progs.load(IMAGE)


@pytest.mark.parametrize(
    ("held", "kind"),
    [(frozenset(Cap), VerifierError), (frozenset({Cap.BPF, Cap.NET_ADMIN}), PrivilegeError)],
)
def test_what_only_root_may(
    held: frozenset[Cap],
    kind: type[KernelError],
    kernel: Callable[..., Kernel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = "3: (2d) if r3 > r2 goto pc+1\nR3 pointer comparison prohibited\n"
    kernel((EACCES, ""), (EACCES, log))
    monkeypatch.setattr(privilege, "effective", lambda: held)
    with pytest.raises(kind) as caught:
        progs.load(IMAGE)
    if kind is PrivilegeError:
        assert "needs CAP_PERFMON" in caught.value.message


@pytest.mark.parametrize("limited", [True, False])
def test_memlock_is_lifted_once(
    limited: bool, kernel: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifts = [limited]
    for module in (maps, progs):
        monkeypatch.setattr(module, "lift_memlock", lambda: lifts.pop() if lifts else False)

    def make() -> int:
        return maps.create(MapType.HASH, key_size=4, value_size=8, max_entries=1, name="m")

    kernel((EPERM, ""), (-5, ""))
    if limited:
        assert make() == 5
    else:
        with pytest.raises(PrivilegeError):
            make()

    lifts[:] = [limited]
    kernel((EPERM, ""), (-6, ""))
    assert progs.load(IMAGE)[0] == 6  # the second time without a log, or with one
    lifts[:] = [limited]
    kernel((EPERM, ""), (EPERM, ""), (EPERM, ""))
    with pytest.raises(PrivilegeError):
        progs.load(IMAGE)
