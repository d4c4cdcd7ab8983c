"""A live BPF program, and the maps that it was loaded with.

Depends on spec, asm, kernel. Attaching is the work of link.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack

from netbpf.asm.ebpf import Insn, encode
from netbpf.errors import Span, VerifierError
from netbpf.kernel import info, links, progs, testrun, verifier_log
from netbpf.objects.map import Map
from netbpf.spec import ProgramSpec
from netbpf.uapi.bpf import PseudoSrc


class Program(AbstractContextManager["Program"]):
    """A program's file descriptor and its maps by name. Close it, or use it in a `with`."""

    def __init__(
        self, fd: int, described: info.ProgInfo, maps: Mapping[str, Map], log: str, owned: ExitStack
    ) -> None:
        self.fd = fd
        self.info = described
        self.maps = maps
        self.log = log  # the verifier's, where one was asked for
        self._owned = owned

    @classmethod
    def load(cls, spec: ProgramSpec, *, log_level: int = 0) -> Program:
        """Create the maps of `spec`, load its program, or leave nothing behind.

        Raises VerifierError with the span of the expression that was refused, PrivilegeError,
        NotSupportedError or KernelError.
        """
        with ExitStack() as stack:
            maps = {m.name: stack.enter_context(Map.create(m)) for m in spec.maps}
            image = progs.Image(
                type=spec.type,
                insns=encode(patched(spec, {name: m.fd for name, m in maps.items()})),
                license=spec.license,
                name=spec.name,
                attach_type=spec.attach_type,
                flags=spec.flags,
            )
            try:
                fd, log = progs.load(image, log_level=log_level)
            except VerifierError as error:
                raise _pointing(error, spec) from error
            stack.callback(os.close, fd)
            described = info.prog(fd)
            return cls(fd, described, maps, log, stack.pop_all())

    @property
    def id(self) -> int:
        """The kernel's number for the program."""
        return self.info.id

    def test_run(
        self, data: bytes, *, ctx: bytes = b"", repeat: int = 1, keep_data: bool = False
    ) -> testrun.Outcome:
        """Run the program on a packet that is never sent; see kernel.testrun."""
        return testrun.run(self.fd, data, ctx=ctx, repeat=repeat, keep_data=keep_data)

    def pin(self, path: str) -> None:
        """Give the program a name on a BPF file system."""
        links.pin(self.fd, path)

    def close(self) -> None:
        """Let go of program and maps; a link or pin keeps them alive. May be called again."""
        self._owned.close()
        self.fd = -1

    def __exit__(self, *_: object) -> None:
        self.close()


def patched(spec: ProgramSpec, fds: Mapping[str, int]) -> list[Insn]:
    """Return the instructions of `spec` with the maps' file descriptors in their places."""
    insns = list(spec.insns)
    for index, name in spec.map_refs:
        insn = insns[index]
        insns[index] = insn._replace(src=insn.src or PseudoSrc.MAP_FD, imm=fds[name])
    return insns


def _pointing(error: VerifierError, spec: ProgramSpec) -> VerifierError:
    """Return the error with the words of the user that the refused instruction came from."""
    index = verifier_log.complaint(error.log).insn
    span: Span | None = None
    if index is not None and index < len(spec.spans):
        span = spec.spans[index]
    words = f", at {spec.text[span.start : span.end]!r}" if span else ""
    message = f"the kernel's verifier refuses the program{words}: {error.line}"
    return VerifierError(message, errno=error.errno, log=error.log, line=error.line, span=span)
