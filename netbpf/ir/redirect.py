"""Lead the ways out of a block elsewhere.

Depends on ir.program.
"""

from __future__ import annotations

from collections.abc import Callable

from netbpf.ir.program import Block, Jump, Label, Return
from netbpf.records import replace


def redirected(block: Block, lead: Callable[[Label], Label]) -> Block:
    """Return the block with each target led to where `lead` says."""
    term = block.term
    if isinstance(term, Return):
        return block
    if isinstance(term, Jump):
        return replace(block, term=replace(term, target=lead(term.target)))
    return replace(block, term=replace(term, then=lead(term.then), orelse=lead(term.orelse)))
