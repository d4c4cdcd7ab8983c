"""What loading a program says where there is nothing that the verifier could."""

from __future__ import annotations

import ctypes
from errno import EINVAL, EPERM

import pytest

from netbpf.errors import KernelError, NotSupportedError, PrivilegeError
from netbpf.kernel import privilege, progs
from netbpf.kernel.errors import kernel_error
from netbpf.uapi.bpf import Cmd, ProgFlag, ProgType
from netbpf.uapi.capability import Cap


@pytest.fixture(autouse=True)
def _old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: Cmd, _: ctypes.Structure, doing: str, caps: tuple[Cap, ...]) -> int:
        raise kernel_error(EINVAL, command=command, doing=doing, caps=caps)

    monkeypatch.setattr(progs, "bpf", refuse)


def test_frames_of_several_buffers_need_a_newer_kernel() -> None:
    image = progs.Image(ProgType.XDP, bytes(8), "GPL", "web", flags=ProgFlag.XDP_HAS_FRAGS)
    with pytest.raises(NotSupportedError, match="of several buffers") as caught:
        progs.load(image)
    assert caught.value.since == "5.18"
    assert "without frags" in caught.value.remedy


def test_other_programs_are_refused_for_other_reasons() -> None:
    with pytest.raises(KernelError, match="type or flags") as caught:
        progs.load(progs.Image(ProgType.XDP, bytes(8), "GPL", "web"))
    assert not isinstance(caught.value, NotSupportedError)


def test_a_look_into_the_kernel_needs_perfmon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which socket programs need for nothing else: the verifier's words are about a struct."""
    monkeypatch.setattr(privilege, "effective", lambda: frozenset({Cap.BPF}))
    image = progs.Image(ProgType.SOCKET_FILTER, bytes(8), "GPL", "web")
    error = KernelError("no", command="BPF_PROG_LOAD", errno=EPERM)
    log = "3: (79) r7 = *(u64 *)(r0 +200)\n'struct sk_buff' access is allowed only to CAP_PERFMON\n"
    found = progs._refusal(image, error, log)
    assert isinstance(found, PrivilegeError)
    assert "CAP_PERFMON" in f"{found.message} {found.remedy}"
