"""Whether socket programs can read packets through this kernel's own struct sk_buff.

Linux 6.2 made the cast a move (kernel/bpf/helpers.c), 6.17 the address that is found behind it one
that may be read from anywhere. It takes the JIT, the kernel's BTF, and CAP_PERFMON.
Depends on btf, codegen.hooks, kernel.
"""

from __future__ import annotations

import os
from errno import ENOENT
from pathlib import Path

from netbpf.asm import ebpf
from netbpf.btf.skb import SkBuff, sk_buff
from netbpf.codegen.hooks import hook_for
from netbpf.codegen.hooks.hook import CTX
from netbpf.errors import KernelError, NotSupportedError
from netbpf.kernel import progs
from netbpf.spec import Target
from netbpf.uapi.bpf import ProgType

SINCE = "6.17"
_BTF = Path("/sys/kernel/btf/vmlinux")
_START, _END = 7, 8  # registers


def readable() -> SkBuff | None:
    """Return what programs need to know of it, None where they must read with LD_ABS."""
    try:
        return tried()
    except KernelError:
        return None


def tried() -> SkBuff:
    """Find it, and load a program that reads through it.

    Raises NotSupportedError where the kernel tells nothing of it, KernelError where it refuses.
    """
    buff = _found()
    linear = hook_for(Target.SOCKET, buff=buff).linear
    assert linear is not None
    first_byte = ebpf.load(1, 0, _START)  # were it run, it would first compare with the end
    insns = (ebpf.mov_reg(CTX, 1), *linear(_START, _END), first_byte, ebpf.leave())
    image = progs.Image(ProgType.SOCKET_FILTER, ebpf.encode(insns), "Dual BSD/GPL", "netbpf_probe")
    os.close(progs.load(image)[0])
    return buff


def _found() -> SkBuff:
    try:
        found = sk_buff(_BTF.read_bytes())
    except (OSError, ValueError):
        found = None
    if found is None:
        raise NotSupportedError(
            "the kernel's BTF does not tell how it keeps packets",
            command=f"read {_BTF}",
            errno=ENOENT,
            since=SINCE,
            remedy="a kernel with CONFIG_DEBUG_INFO_BTF=y; sockets are filtered without",
        )
    return found
