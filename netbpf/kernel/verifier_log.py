"""Find the telling line in a verifier's log (text as kernel/bpf/verifier.c prints it).

The log walks the program, one line per instruction, with the state of the registers in between,
and ends in a complaint of one line or more and a summary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# `12: (61) r2 = *(u32 *)(r1 +4)   ; R1=ctx() R2=pkt(r=0)`
_INSN = re.compile(r"(\d+): \([0-9a-f]{2}\) ")
# Register states, source lines, jumps between paths, back-tracking, the summary.
_CHATTER = re.compile(
    r"(from \d+ to \d+|\d+: (R\d|safe|fp-)|;|R\d+(_w|_r|_rw)?=|mark_precise:|processed \d+ insns|"
    r"verification time|stack depth|propagating |parent |last_idx |regs=|func#\d+ |caller:|"
    r"callee:|returning from|Validating |Func#|frame\d+:|max_states|total_states|safe$|"
    r"insns processed|live regs before|\s*\d+: [.0-9]+ \()"
)
# Complaints made before the walk name their instruction themselves.
_NAMED = re.compile(r"\binsn (\d+)|\bat (\d+)$|^unknown opcode .*|insn_idx (\d+)")
_DEAD = "unknown opcode"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the verifier complained of: one line, and the index of the instruction, if told."""

    line: str
    insn: int | None


def complaint(log: str) -> Complaint:
    """Return the line that says why the program was refused; '' for an empty log."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = max((at for at, line in enumerate(lines) if _INSN.match(line)), default=-1)
    told = [line for line in lines[last + 1 :] if not _CHATTER.match(line)]
    if not told:
        return Complaint(lines[last] if lines else "", _index(lines[last]) if last >= 0 else None)
    insn = _named(told[0])
    if insn is None and last >= 0:
        insn = _index(lines[last])
    return Complaint(told[0], insn)


def _index(line: str) -> int | None:
    found = _INSN.match(line)
    return int(found[1]) if found else None


def _named(line: str) -> int | None:
    found = re.search(r"\binsn (?:at )?(\d+)|\binsn_idx (\d+)", line)
    return int(found[1] or found[2]) if found else None
