"""An expression and how it is to be read: what the options of `takes_expression` come to.

Without click, so that `netbpf compile EXPR` needs none. Neighbour: options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netbpf.errors import InputError
from netbpf.records import dataclass, field

if TYPE_CHECKING:
    from netbpf.compiler import Options
    from netbpf.expr.nodes import Identifier
    from netbpf.proto.linktype import LinkType


@dataclass(frozen=True, slots=True)
class Request:
    """An expression and how it is to be read, as the command line says it."""

    text: str
    pcap_compat: bool = False
    names: bool = True
    netmask: int | None = None
    optimise: bool = True
    sets: Mapping[str, str] = field(default_factory=dict)  # name → file

    def options(
        self, *, linktype: LinkType | None = None, snaplen: int | None = None, live: bool = False
    ) -> Options:
        """Return the compiler's options. Raises InputError if a set's file cannot be read."""
        from netbpf.compiler import MAXIMUM_SNAPLEN, Options
        from netbpf.expr.names import NoNames, SystemResolver
        from netbpf.expr.nodes import Dialect
        from netbpf.proto.linktype import LinkType

        return Options(
            dialect=Dialect.PCAP if self.pcap_compat else Dialect.NETBPF,
            linktype=LinkType.EN10MB if linktype is None else linktype,
            netmask=self.netmask,
            snaplen=MAXIMUM_SNAPLEN if snaplen is None else snaplen,
            optimise=self.optimise,
            live=live,
            resolver=SystemResolver() if self.names else NoNames(),
            sets={name: read_set(name, path) for name, path in self.sets.items()},
        )


def read_set(name: str, path: str) -> Sequence[Identifier]:
    """Read a set's elements: one a line, # comments."""
    from netbpf.expr.elements import parse_elements

    return parse_elements(read_text(path), name=name)


def read_text(path: str) -> str:
    """Read a file, `-` the standard input. Raises InputError."""
    import sys
    from pathlib import Path

    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text (byte {error.start} is not UTF-8)") from error
