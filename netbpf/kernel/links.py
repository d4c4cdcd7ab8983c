"""BPF links and pins by file descriptor (bpf(2); kernel/bpf/syscall.c, kernel/bpf/inode.c)."""

from __future__ import annotations

import os

from netbpf.kernel import attr
from netbpf.kernel.syscall import address, bpf, buffer
from netbpf.uapi.bpf import AttachFlag, AttachType, Cmd
from netbpf.uapi.capability import Cap


def create(prog_fd: int, ifindex: int, attach_type: AttachType, flags: int, doing: str) -> int:
    """Attach a program to an interface by a bpf_link (XDP 5.9, tcx 6.6); return its descriptor.

    The program stays attached until the last descriptor and pin of the link is gone.
    `flags` are AttachFlag for tcx, XdpFlag for XDP.
    """
    request = attr.LinkCreate(prog_fd=prog_fd, target=ifindex, attach_type=attach_type, flags=flags)
    return bpf(Cmd.LINK_CREATE, request, doing, (Cap.BPF, Cap.NET_ADMIN))


def update(link_fd: int, new_prog_fd: int, *, old_prog_fd: int | None = None) -> None:
    """Replace the program of a link atomically, if `old_prog_fd` is still its program."""
    request = attr.LinkUpdate(link_fd=link_fd, new_prog_fd=new_prog_fd)
    if old_prog_fd is not None:
        request.flags, request.old_prog_fd = AttachFlag.REPLACE, old_prog_fd
    bpf(Cmd.LINK_UPDATE, request, "replace the program of a link")


def pin(fd: int, path: str) -> None:
    """Give a program, map or link a name on a BPF file system."""
    memory = buffer(os.fsencode(path) + b"\0")
    bpf(Cmd.OBJ_PIN, attr.Obj(pathname=address(memory), bpf_fd=fd), f"pin to {path}")


def get(path: str) -> int:
    """Open what is pinned at `path`; return its descriptor."""
    memory = buffer(os.fsencode(path) + b"\0")
    return bpf(Cmd.OBJ_GET, attr.Obj(pathname=address(memory)), f"open the pin {path}")
