"""Programs by file descriptor: load, bind a map (bpf(2); kernel/bpf/verifier.c)."""

from __future__ import annotations

import re
from errno import EINVAL, ENOSPC, EPERM

from netbpf.errors import KernelError, NotSupportedError, VerifierError
from netbpf.kernel import attr, verifier_log
from netbpf.kernel.errors import refused
from netbpf.kernel.maps import object_name
from netbpf.kernel.privilege import lift_memlock, missing
from netbpf.kernel.syscall import Buffer, address, bpf, buffer
from netbpf.records import dataclass
from netbpf.uapi.bpf import AttachType, Cmd, ProgFlag, ProgType
from netbpf.uapi.capability import Cap

_FIRST_LOG = 1 << 16
_LAST_LOG = (1 << 24) - 1  # what every kernel takes; since 6.4 a full log keeps its end
_INSN_SIZE = 8
_FRAGS_SINCE = "5.18"
# Complaints about what is allowed with CAP_PERFMON.
_FOR_ROOT = re.compile(r"!root|unprivileged|prohibited|leak|only to CAP_PERFMON", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Image:
    """A program as the kernel takes it.

    `insns` are struct bpf_insn in host byte order, `flags` of ProgFlag.
    """

    type: ProgType
    insns: bytes
    license: str
    name: str = ""
    attach_type: AttachType | None = None
    flags: int = 0


def load(image: Image, *, log_level: int = 0) -> tuple[int, str]:
    """Load a program; return its file descriptor and the verifier's log ('' at log_level 0).

    A refused program is loaded once more with a log, to say why: raises VerifierError.
    Raises PrivilegeError or KernelError where the kernel never asked the verifier.
    """
    if log_level:
        return _load_logged(image, log_level)
    try:
        return _load(image), ""
    except KernelError as error:
        if error.errno == EPERM and lift_memlock():
            return load(image)
    return _load_logged(image, 1)


def bind_map(prog_fd: int, map_fd: int) -> None:
    """Keep a map alive with a program that does not use it (Linux 5.10)."""
    bpf(Cmd.PROG_BIND_MAP, attr.ProgBindMap(prog_fd=prog_fd, map_fd=map_fd), "bind a map")


def _load_logged(image: Image, level: int) -> tuple[int, str]:
    size = _FIRST_LOG
    while True:
        memory = buffer(size)
        try:
            fd = _load(image, level, memory)
        except KernelError as error:
            if error.errno == ENOSPC and size < _LAST_LOG:
                size = min(size * 4, _LAST_LOG)
                continue
            raise _refusal(image, error, _text(memory)) from error
        return fd, _text(memory)


def _refusal(image: Image, error: KernelError, log: str) -> KernelError:
    """Return the verifier's complaint, or the first error where it was never asked."""
    telling = verifier_log.complaint(log).line
    if not telling:
        return _unknown_frags(image, error) or error
    needed = tuple(dict.fromkeys((*_capabilities(image), Cap.PERFMON)))
    if _FOR_ROOT.search(telling) and missing(needed):
        return refused(error.errno, command="BPF_PROG_LOAD", doing=_doing(image), caps=needed)
    return VerifierError(
        f"the kernel's verifier refuses the program {image.name!r}: {telling}",
        errno=error.errno,
        log=log,
        line=telling,
    )


def _unknown_frags(image: Image, error: KernelError) -> KernelError | None:
    """Return the error that says what an old kernel's EINVAL means, if it can be that."""
    if error.errno != EINVAL or not image.flags & ProgFlag.XDP_HAS_FRAGS:
        return None
    return NotSupportedError(
        f"cannot {_doing(image)}: this kernel has no XDP programs for frames of several buffers",
        command="BPF_PROG_LOAD",
        errno=error.errno,
        since=_FRAGS_SINCE,
        remedy=f"compile it without frags, or use Linux {_FRAGS_SINCE} or newer",
    )


def _load(image: Image, log_level: int = 0, log: Buffer | None = None) -> int:
    insns, license_ = buffer(image.insns), buffer(image.license.encode() + b"\0")
    request = attr.ProgLoad(
        prog_type=image.type,
        insn_cnt=len(image.insns) // _INSN_SIZE,
        insns=address(insns),
        license=address(license_),
        log_level=log_level,
        log_size=len(log) if log is not None else 0,
        log_buf=address(log),
        prog_flags=image.flags,
        prog_name=object_name(image.name),
        expected_attach_type=image.attach_type or 0,
    )
    return bpf(Cmd.PROG_LOAD, request, _doing(image), _capabilities(image))


def _doing(image: Image) -> str:
    return f"load the {image.type.name} program {image.name!r}"


def _capabilities(image: Image) -> tuple[Cap, ...]:
    """Return what loading takes: CAP_PERFMON since packet pointers are compared and added to."""
    if image.type is ProgType.SOCKET_FILTER:
        return (Cap.BPF,)
    return (Cap.BPF, Cap.NET_ADMIN, Cap.PERFMON)


def _text(memory: Buffer) -> str:
    return memory.value.decode("utf-8", errors="replace")
