"""What is made of a probe's answer, and of the facts of a made-up machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbpf.errors import KernelError, NotFoundError, NotSupportedError, PrivilegeError
from netbpf.kernel import facts, privilege, version
from netbpf.kernel.features import Feature, Probe, Topic, answers
from netbpf.kernel.version import Version
from netbpf.uapi.capability import Cap

IT = Topic("it", "5.9")


def raising(error: Exception) -> Probe:
    def ask() -> str:
        raise error

    return Probe(IT, ask)


@pytest.mark.parametrize(
    ("probe", "feature"),
    [
        (Probe(IT, lambda: "well"), Feature("it", True, "5.9", "well")),
        (
            raising(NotFoundError("no such thing")),
            Feature("it", False, "5.9", "no such thing", "use Linux 5.9 or newer"),
        ),
        (
            raising(NotSupportedError("not here", command="bpf", errno=22)),
            Feature("it", False, "5.9", "not here (bpf: EINVAL)", "use Linux 5.9 or newer"),
        ),
        (
            raising(PrivilegeError("not you", command="bpf", errno=1)),
            Feature(
                "it",
                None,
                "5.9",
                "known only by trying, which this user may not",
                "sudo netbpf doctor",
            ),
        ),
    ],
)
def test_answers(probe: Probe, feature: Feature) -> None:
    assert answers([probe]) == [feature]


def test_a_probe_of_its_own_knows_the_remedy() -> None:
    def ask() -> str:
        raise KernelError("no", command="bpf", errno=22)

    (found,) = answers([Probe(IT, ask, "do this")])
    assert found.remedy == "do this"


def fact(name: str) -> Feature:
    return next(found for found in facts.find() if found.name == name)


def test_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "running", lambda: Version(5, 4))
    found = fact("kernel")
    assert found.available is False
    assert found.remedy == "use Linux 5.10 or newer"


@pytest.mark.parametrize(
    ("held", "inside", "available", "detail"),
    [
        (frozenset(Cap), False, True, "all that netbpf uses"),
        (frozenset(Cap), True, False, "they count only inside a user namespace"),
        (
            frozenset({Cap.BPF, Cap.NET_ADMIN, Cap.PERFMON}),
            False,
            False,
            "without CAP_NET_RAW, CAP_SYS_ADMIN",
        ),
    ],
)
def test_capabilities(
    held: frozenset[Cap],
    inside: bool,
    available: bool,
    detail: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(privilege, "effective", lambda: held)
    monkeypatch.setattr(privilege, "in_user_namespace", lambda: inside)
    found = fact("capabilities")
    assert (found.available, found.detail) == (available, detail)
    assert bool(found.remedy) != available


@pytest.mark.parametrize(
    ("level", "available"),
    [("", True), ("none", True), ("integrity", True), ("confidentiality", False)],
)
def test_lockdown(level: str, available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "lockdown", lambda: level)
    assert fact("no kernel lockdown").available is available


@pytest.mark.parametrize(("setting", "available"), [("1\n", True), ("0\n", False), ("", None)])
def test_jit(setting: str, available: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "read", lambda _: setting)
    assert fact("BPF JIT compiler").available is available


def test_memlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "memlock_limits", lambda: True)
    assert fact("memory for maps").remedy == "ulimit -l unlimited"


def test_no_bpf_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBPF_BPFFS", str(tmp_path))
    found = fact("BPF file system")
    assert found.available is False
    assert found.remedy == f"mount -t bpf bpf {tmp_path}"
