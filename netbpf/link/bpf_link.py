"""A bpf_link: an attachment that is a file descriptor, and dies with its last one.

Even a killed process leaves nothing behind. XDP has it since Linux 5.9, tcx since 6.6.
"""

from __future__ import annotations

import os

from netbpf import records
from netbpf.kernel import info, links
from netbpf.link.base import Description, Link
from netbpf.objects import Program
from netbpf.uapi.bpf import AttachType


class BpfLink(Link):
    """A program attached by BPF_LINK_CREATE. Close detaches."""

    def __init__(self, fd: int, description: Description) -> None:
        self.fd = fd
        self._description = description

    @classmethod
    def create(
        cls, program: Program, description: Description, attach_type: AttachType, flags: int
    ) -> BpfLink:
        """Attach as described, in the namespace of the calling thread.

        Raises NotSupportedError where kernel or driver lack this kind of link, AttachError.
        """
        doing = f"attach to {description.target.value} of {description.interface}"
        ifindex = description.ifindex
        return cls(links.create(program.fd, ifindex, attach_type, flags, doing), description)

    def describe(self) -> Description:
        """Return where the program is attached."""
        return self._description

    def alive(self) -> bool:
        """Whether the interface is still there and nobody detached the link."""
        return self.fd >= 0 and info.link(self.fd).ifindex != 0

    def replace(self, program: Program) -> None:
        """Run another program from the next packet on."""
        links.update(self.fd, program.fd)
        self._description = records.replace(self._description, prog_id=program.id)

    def close(self) -> None:
        """Detach. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
