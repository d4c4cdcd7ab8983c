"""A kprobe through bpf(2) and perf_event_open(2): loaded, attached, counting, detached.

netbpf attaches none yet; this holds what a loader will rest on, on every kernel that has kprobes.
Source: perf_event_open(2), Documentation/trace/kprobes.rst, kernel/events/core.c (perf_kprobe).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netbpf.objects import Program
from netbpf.uapi.bpf import ProgType
from tests.support.programs import HITS, counting, hits

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

PMU = Path("/sys/bus/event_source/devices/kprobe/type")  # Linux 4.17, CONFIG_KPROBE_EVENTS
MACHINES = {"x86_64": (298, "__x64_sys_getpgid"), "aarch64": (241, "__arm64_sys_getpgid")}
"""The number of perf_event_open (asm/unistd.h), and the kernel's function for getpgid(2)."""
ATTR_SIZE = 112  # struct perf_event_attr, PERF_ATTR_SIZE_VER5
IOC_ENABLE, IOC_SET_BPF = 0x2400, 0x40042408  # PERF_EVENT_IOC_*
FLAG_FD_CLOEXEC = 8
ANY_PROCESS = -1
CALLS = 1000


@contextmanager
def kprobe(function: str, number: int) -> Iterator[int]:
    """Make a perf event of every entry to a function of the kernel, on CPU 0."""
    name = ctypes.create_string_buffer(function.encode())
    event = bytearray(ATTR_SIZE)
    struct.pack_into("=II", event, 0, int(PMU.read_text()), ATTR_SIZE)  # type, size
    struct.pack_into("=QQ", event, 56, ctypes.addressof(name), 0)  # config1: name, config2: offset
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(bytes(event), ATTR_SIZE)
    fd = libc.syscall(number, attr, ANY_PROCESS, 0, -1, FLAG_FD_CLOEXEC)
    assert fd >= 0, f"perf_event_open: {os.strerror(ctypes.get_errno())}"
    try:
        yield fd
    finally:
        os.close(fd)


def test_counts_calls_until_closed() -> None:
    if not PMU.exists():
        pytest.skip("this kernel has no kprobes")
    if os.uname().machine not in MACHINES:
        pytest.skip(f"not written for {os.uname().machine}")
    number, function = MACHINES[os.uname().machine]
    with Program.load(counting(0, ProgType.KPROBE)) as program:
        with kprobe(function, number) as event:
            fcntl.ioctl(event, IOC_SET_BPF, program.fd)
            fcntl.ioctl(event, IOC_ENABLE, 0)
            before = hits(program.maps[HITS])
            call()
            counted = hits(program.maps[HITS]) - before
        # The program runs for all processes and CPUs; few call this function, and none often.
        assert CALLS <= counted < 2 * CALLS
        after = hits(program.maps[HITS])
        call()
        assert hits(program.maps[HITS]) == after


def call() -> None:
    for _ in range(CALLS):
        os.getpgid(0)
