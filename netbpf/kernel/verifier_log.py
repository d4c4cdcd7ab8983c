"""Find the telling line in a verifier's log (text as kernel/bpf/verifier.c prints it).

The log walks the program, one line per instruction, with the state of the registers in between,
and ends in a complaint of one line or more and a summary.
"""

from __future__ import annotations

import re

from netbpf.records import dataclass

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
_NAMED = re.compile(r"\binsn (\d+)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the verifier complained of: one line, and the index of the instruction, if told."""

    line: str
    insn: int | None


def complaint(log: str) -> Complaint:
    """Return the line that says why the program was refused.

    Of a log that was cut it is the last instruction; '' for the log of a program that passed.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = max((at for at, line in enumerate(lines) if _INSN.match(line)), default=-1)
    told = [line for line in lines[last + 1 :] if not _CHATTER.match(line)]
    if not told:
        passed = last < 0 or any(line.startswith("processed ") for line in lines)
        return Complaint("", None) if passed else Complaint(lines[last], _index(lines[last]))
    insn = _named(told[0])
    if insn is None and last >= 0:
        insn = _index(lines[last])
    return Complaint(told[0], insn)


def _index(line: str) -> int | None:
    found = _INSN.match(line)
    return int(found[1]) if found else None


def _named(line: str) -> int | None:
    found = _NAMED.search(line)
    return int(found[1]) if found else None
