"""What /proc says of this process, read from texts made up."""

from __future__ import annotations

import resource

import pytest

from netbpf.kernel import privilege, version
from netbpf.kernel.version import Version, parse
from netbpf.uapi.capability import Cap


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The files of the machine: what is not in it is absent."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(privilege, "read", lambda path: texts.get(path, ""))
    return texts


STATUS = "/proc/thread-self/status"


@pytest.mark.parametrize(
    ("bits", "held"),
    [
        ("000001ffffffffff", frozenset(Cap)),
        ("0000000000000000", frozenset()),
        ("0000000000003000", {Cap.NET_ADMIN, Cap.NET_RAW}),
        ("000000c000000000", {Cap.BPF, Cap.PERFMON}),
    ],
)
def test_effective(bits: str, held: set[Cap], files: dict[str, str]) -> None:
    files[STATUS] = f"Name:\tpython\nCapPrm:\t0000003fffffffff\nCapEff:\t{bits}\nSeccomp:\t0\n"
    assert privilege.effective() == held
    assert privilege.missing(Cap) == [
        cap
        for cap in Cap
        if cap not in held and not (Cap.SYS_ADMIN in held and cap in (Cap.BPF, Cap.PERFMON))
    ]


def test_nothing_is_known_without_proc(files: dict[str, str]) -> None:
    assert not files
    assert privilege.effective() == frozenset()
    assert not privilege.in_user_namespace()
    assert not privilege.seccomp_filtered()
    assert privilege.lockdown() == ""
    assert privilege.unprivileged_bpf() is None


@pytest.mark.parametrize(
    ("uid_map", "inside"),
    [
        ("         0          0 4294967295\n", False),
        ("         0       1000          1\n", True),
        ("0 100000 65536\n", True),
    ],
)
def test_user_namespace(uid_map: str, inside: bool, files: dict[str, str]) -> None:
    files["/proc/self/uid_map"] = uid_map
    assert privilege.in_user_namespace() is inside


@pytest.mark.parametrize("level", ["none", "integrity", "confidentiality"])
def test_lockdown(level: str, files: dict[str, str]) -> None:
    levels = ["none", "integrity", "confidentiality"]
    shown = " ".join(f"[{one}]" if one == level else one for one in levels)
    files["/sys/kernel/security/lockdown"] = shown + "\n"
    assert privilege.lockdown() == level


def test_settings(files: dict[str, str]) -> None:
    files["/proc/sys/kernel/unprivileged_bpf_disabled"] = "2\n"
    files[STATUS] = "Seccomp:\t2\nSeccomp_filters:\t1\n"
    assert privilege.unprivileged_bpf() == 2
    assert privilege.seccomp_filtered()


@pytest.mark.parametrize(
    ("release", "found"),
    [
        ("6.18.44-generic", (6, 18)),
        ("5.10.0", (5, 10)),
        ("5.9-rc1+", (5, 9)),
        ("odd", (0, 0)),
    ],
)
def test_version(release: str, found: tuple[int, int]) -> None:
    assert parse(release) == found
    assert str(parse(release)) == f"{found[0]}.{found[1]}"


MEGABYTE = 1 << 20
ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("running", "limits", "may", "lifted", "after"),
    [
        ((5, 10), (MEGABYTE, ENDLESS), True, True, (ENDLESS, ENDLESS)),
        ((5, 10), (MEGABYTE, 8 * MEGABYTE), False, True, (8 * MEGABYTE, 8 * MEGABYTE)),
        ((5, 10), (MEGABYTE, MEGABYTE), False, False, (MEGABYTE, MEGABYTE)),
        ((5, 10), (ENDLESS, ENDLESS), True, False, (ENDLESS, ENDLESS)),
        ((5, 11), (MEGABYTE, ENDLESS), True, False, (MEGABYTE, ENDLESS)),
    ],
)
def test_memlock_is_lifted_where_it_counts(
    running: tuple[int, int],
    limits: tuple[int, int],
    may: bool,
    lifted: bool,
    after: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`may`: whether the hard limit may be raised (CAP_SYS_RESOURCE)."""
    current = [limits]

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[1] == ENDLESS != current[0][1] and not may:
            raise ValueError("not allowed to raise maximum limit")
        current[0] = wanted

    monkeypatch.setattr(privilege, "running", lambda: Version(*running))
    monkeypatch.setattr(resource, "getrlimit", lambda _: current[0])
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    assert privilege.lift_memlock() is lifted
    assert current[0] == after
    assert version.running().major > 0
