"""Classic BPF from a Program: two 32-bit registers, sixteen words of memory, jumps forwards.

`generate` reads as its steps: tests are put in order, what the machine lacks is expanded in the IR;
blocks are put in order; what must be kept in M[] gets a word; each block is translated; jumps are
resolved.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbpf.asm.cbpf import MAX_INSNS, MEMORY_WORDS, check
from netbpf.codegen.cbpf.evaluate import NoWordLeftError, Uses
from netbpf.codegen.cbpf.layout import Code, assemble, order
from netbpf.codegen.cbpf.select import MATCH, NO_MATCH, select
from netbpf.codegen.cbpf.slots import allocate, must_keep, worth_keeping
from netbpf.codegen.cbpf.values import Values, values
from netbpf.errors import CodeSizeError, IrError, Span
from netbpf.ir.passes.expand_members import expand_members
from netbpf.ir.passes.guard_addresses import guard_addresses
from netbpf.ir.passes.guard_shifts import guard_shifts
from netbpf.ir.passes.order_tests import order_tests
from netbpf.ir.passes.regroup_tests import regroup_tests
from netbpf.ir.program import Block, Member, Program, Reg
from netbpf.proto.linktype import LinkType
from netbpf.spec import ClassicFilter

_DEAR = (16, 256, 4096)
"""From how many instructions on a value is kept at first; the next if there is no room."""

_LEAF = 16
"""How many values of a set are asked for one by one. So many make sets hardly longer than lists,
and take no longer than four do (measured: 100 ports, on a socket)."""

_WORTH_ANOTHER = 10
"""What part of the code an attempt must have spared for another to be made."""


def generate(
    program: Program,
    *,
    linktype: LinkType,
    snaplen: int = 262144,
    stripped_tags: bool = False,
    warnings: tuple[str, ...] = (),
) -> ClassicFilter:
    """Return the classic BPF of a filter: `snaplen` bytes for a match, 0 for no match.

    With `stripped_tags` the length on the wire counts a VLAN tag that the kernel keeps beside the
    packet. What the hook knows (`Meta`) is read from Linux's ancillary data. Raises CodeSizeError.
    """
    _check_members(program)
    expanded = expand_members(order_tests(regroup_tests(program)), leaf=_LEAF)
    legal = guard_addresses(guard_shifts(expanded))
    blocks = order(legal)
    codes = _translate(program, blocks, values(legal, stripped_tags=stripped_tags))
    insns, spans = assemble(codes, {MATCH: snaplen, NO_MATCH: 0})
    if len(insns) > MAX_INSNS:
        raise _too_big(program, f"{len(insns)} instructions, of which the kernel takes {MAX_INSNS}")
    problem = check(insns)
    if problem:
        raise IrError(f"the kernel would refuse the classic BPF program: {problem}")
    return ClassicFilter(insns, linktype, snaplen, program.text, spans, warnings)


def _translate(program: Program, blocks: Sequence[Block], known: Values) -> list[Code]:
    """Translate every block; keep more in M[] for as long as that makes the code shorter."""
    kept, (codes, uses) = _first_attempt(program, blocks, known)
    size = _size(codes)
    # What is twice as long as may be will not become short enough.
    while size <= 2 * MAX_INSNS:
        more = worth_keeping(known, uses.computed) - kept
        kept = kept | more
        other = _attempt(blocks, known, kept) if more else None
        if other is None or _size(other[0]) >= size:
            break
        codes, uses = other
        before, size = size, _size(codes)
        if before - size < size // _WORTH_ANOTHER:
            break
    return codes


def _first_attempt(
    program: Program, blocks: Sequence[Block], known: Values
) -> tuple[set[Reg], tuple[list[Code], Uses]]:
    """Keep what must be, and of the rest as much as there is room for."""
    for dear in _DEAR:
        kept = must_keep(known, blocks, dear)
        result = _attempt(blocks, known, kept)
        if result is not None:
            return kept, result
    raise _too_big(
        program, f"more intermediate values than the {MEMORY_WORDS} words of memory hold"
    )


def _attempt(
    blocks: Sequence[Block], known: Values, kept: set[Reg]
) -> tuple[list[Code], Uses] | None:
    """Translate every block with these registers in M[]; None if there is no room."""
    slots = allocate(blocks, kept)
    if slots is None:
        return None
    try:
        return select(blocks, known, slots)
    except NoWordLeftError:
        return None


def _size(codes: Sequence[Code]) -> int:
    return sum(len(code.body) for code in codes)


def _check_members(program: Program) -> None:
    """Refuse a set that is too big before it is expanded; every range takes an instruction."""
    sets = [block.term.members for block in program if isinstance(block.term, Member)]
    most = max(map(len, sets), default=0)
    if most > MAX_INSNS:
        raise _too_big(
            program, f"more than {most} instructions, of which the kernel takes {MAX_INSNS}"
        )


def _too_big(program: Program, what: str) -> CodeSizeError:
    return CodeSizeError(
        f"classic BPF needs {what}",
        text=program.text,
        span=Span(0, len(program.text)),
        hint="the eBPF targets (xdp, tc, socket) have no such limit",
    )
