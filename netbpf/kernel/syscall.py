"""bpf(2) itself: one function, and the buffers whose addresses it is given.

Source: include/uapi/linux/bpf.h; the numbers come from each architecture's unistd.h.
Depends on uapi, kernel.errors.
"""

from __future__ import annotations

import ctypes
import os
import struct
from errno import EAGAIN, EINTR, ENOSYS

from netbpf.kernel.errors import kernel_error
from netbpf.uapi.bpf import Cmd
from netbpf.uapi.capability import Cap

# asm/unistd.h of each; architectures that came after 2012 share the generic table.
_NUMBERS = {
    "x86_64": 321,
    "i686": 357,
    "i386": 357,
    "aarch64": 280,
    "armv6l": 386,
    "armv7l": 386,
    "armv8l": 386,
    "loongarch64": 280,
    "ppc64": 361,
    "ppc64le": 361,
    "riscv64": 280,
    "s390x": 351,
}
_NUMBERS_32 = {"x86_64": 357, "aarch64": 386}  # a 32-bit process on a 64-bit kernel
_RETRIES = 5  # the verifier gives up with EAGAIN when a signal is pending

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long

Buffer = ctypes.Array[ctypes.c_char]


def bpf(
    command: Cmd, attr: ctypes.Structure, doing: str, caps: tuple[Cap, ...] = (Cap.BPF,)
) -> int:
    """Make the system call and return its result, a file descriptor (close-on-exec) or 0.

    In the KernelError that is raised on failure, `doing` completes "cannot ...", and `caps` are
    the capabilities that it may have failed for want of.
    """
    number = _number()
    if number is None:
        raise kernel_error(ENOSYS, command=command, doing=doing, caps=caps)
    for _ in range(_RETRIES):
        result = int(_syscall(number, int(command), ctypes.byref(attr), ctypes.sizeof(attr)))
        if result >= 0:
            return result
        code = ctypes.get_errno()
        if code not in (EAGAIN, EINTR):
            break
    raise kernel_error(code, command=command, doing=doing, caps=caps)


def buffer(content: bytes | int) -> Buffer:
    """Return memory with `content` in it, or that many zeros. Keep it until the call is over."""
    if isinstance(content, int):
        return ctypes.create_string_buffer(content)
    return ctypes.create_string_buffer(content, len(content))


def address(memory: Buffer | None) -> int:
    """Return where `memory` is, as an attribute's u64; 0 for none."""
    return ctypes.addressof(memory) if memory is not None else 0


def _number() -> int | None:
    machine = os.uname().machine
    if struct.calcsize("P") == 4 and machine in _NUMBERS_32:
        return _NUMBERS_32[machine]
    return _NUMBERS.get(machine)
