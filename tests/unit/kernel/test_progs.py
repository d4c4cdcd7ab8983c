"""What loading a program says where there is nothing that the verifier could."""

from __future__ import annotations

import ctypes
from errno import EINVAL

import pytest

from netbpf.errors import KernelError, NotSupportedError
from netbpf.kernel import progs
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
