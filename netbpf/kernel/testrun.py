"""Run a program on a packet that is never sent (BPF_PROG_TEST_RUN; net/bpf/test_run.c).

The kernel refuses packets shorter than an Ethernet header (EINVAL), and for SCHED_CLS and
SOCKET_FILTER packets whose IP header is cut. It takes a socket filter's packet as an Ethernet
frame, but shows the program what lies behind that header, which comes back as zeros.
"""

from __future__ import annotations

from netbpf.kernel import attr
from netbpf.kernel.syscall import address, bpf, buffer
from netbpf.records import dataclass
from netbpf.uapi.bpf import Cmd

_HEADROOM = 512  # what a program may have put in front of, or behind, the packet


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test run returned. `data`, `ctx`: packet and context afterwards."""

    retval: int  # unsigned 32 bits
    data: bytes
    ctx: bytes
    duration: int  # nanoseconds per run, as the kernel averages them

    @property
    def action(self) -> int:
        """The return value as a signed number (TC_ACT_UNSPEC is -1)."""
        return self.retval - (1 << 32) if self.retval >> 31 else self.retval


def run(
    prog_fd: int, data: bytes, *, ctx: bytes = b"", repeat: int = 1, keep_data: bool = False
) -> Outcome:
    """Run a program `repeat` times on the packet `data`.

    `ctx` is a struct xdp_md or __sk_buff to begin with. The packet comes back where `keep_data`.
    """
    packet, context = buffer(data), buffer(ctx) if ctx else None
    out = buffer(len(data) + _HEADROOM) if keep_data else None
    ctx_out = buffer(len(ctx)) if ctx else None
    request = attr.ProgTestRun(
        prog_fd=prog_fd,
        data_in=address(packet),
        data_size_in=len(data),
        data_out=address(out),
        data_size_out=len(out) if out is not None else 0,
        repeat=repeat,
        ctx_in=address(context),
        ctx_size_in=len(ctx),
        ctx_out=address(ctx_out),
        ctx_size_out=len(ctx),
    )
    bpf(Cmd.PROG_TEST_RUN, request, f"test a program on a packet of {len(data)} bytes")
    return Outcome(
        retval=request.retval,
        data=out.raw[: request.data_size_out] if out is not None else b"",
        ctx=ctx_out.raw[: request.ctx_size_out] if ctx_out is not None else b"",
        duration=request.duration,
    )
