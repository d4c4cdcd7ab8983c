"""Where the kernel tells nothing of its buffers, or refuses, programs are told nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbpf.errors import KernelError, NotSupportedError
from netbpf.kernel import buff, progs
from tests.support.buffs import DIRECT


@pytest.mark.parametrize("content", [None, b"", b"no BTF at all, but long enough for a header"])
def test_without_btf(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vmlinux"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(buff, "_BTF", path)
    with pytest.raises(NotSupportedError) as caught:
        buff.tried()
    assert caught.value.since == "6.17"
    assert buff.readable() is None


@pytest.mark.root
@pytest.mark.needs_kernel(DIRECT)
def test_what_the_kernel_refuses_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert buff.readable() == buff.tried()

    def refuse(image: progs.Image, **_: object) -> tuple[int, str]:
        raise KernelError(f"not {image.name}", command="BPF_PROG_LOAD", errno=13)

    monkeypatch.setattr(progs, "load", refuse)
    assert buff.readable() is None
