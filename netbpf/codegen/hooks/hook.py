"""What a hook is, as far as generated code can tell.

Depends on asm, ir.program, spec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netbpf.asm.ebpf import Insn, load
from netbpf.asm.helpers import Helper
from netbpf.ir.program import MetaField
from netbpf.records import dataclass
from netbpf.spec import Target
from netbpf.uapi.bpf import AttachType, ProgFlag, ProgType

CTX = 6
"""The register that holds the program's context, from its first instruction to its last."""

Code = Callable[[int], tuple[Insn, ...]]
"""Code that gives a register a value. It may use r1 beside; with a call in it, r0 to r5."""


LinearPart = Callable[[int, int], tuple[Insn, ...]]
"""Code that gives two preserved registers the addresses of the linear part's start and end."""


def linear_part(data: int, data_end: int) -> LinearPart:
    """Return code for a context that has the addresses itself (u32 fields, offset in bytes)."""
    return lambda start, end: (load(4, start, CTX, data), load(4, end, CTX, data_end))


@dataclass(frozen=True, slots=True)
class Hook:
    """A place that programs are attached to.

    `linear` is None where packets are read with LD_ABS; `tracked`: the verifier follows its
    addresses, and refuses a load that no bounds check covers. `load_bytes` reads what is not in the
    linear part; None: such packets do not come here. `buffer_length` gives the bytes that
    `load_bytes` can reach. `accept` and `drop` are the codes for letting a packet go on, and not.
    """

    target: Target
    type: ProgType
    attach_type: AttachType | None
    section: str  # libbpf's name for an ELF section of such programs
    linear: LinearPart | None
    load_bytes: Helper | None
    buffer_length: Code
    meta: Mapping[MetaField, Code]
    accept: int
    drop: int
    flags: ProgFlag = ProgFlag(0)
    tracked: bool = True
