"""Put extended BPF instructions together: labels, map references, spans.

All jumps go forwards. Their offsets have 16 bits, so in a long program islands of `ja` carry the
waiting jumps on: that runs on every kernel, where a 32-bit jump needs Linux 6.6. Code that cannot
be reached is left out, since the verifier refuses it.

With `shallow` a conditional jump is written as the inverse jump over a `ja`. The verifier puts
off the target of every conditional jump on its way and refuses to put off more than 8,192
(BPF_COMPLEXITY_LIMIT_JMP_SEQ); so written, it is done with the far target at once.
"""

from __future__ import annotations

from typing import NewType

from netbpf.asm import ebpf
from netbpf.asm.ebpf import INVERSE, Class, Insn, Jmp
from netbpf.errors import Span
from netbpf.records import dataclass
from netbpf.uapi.bpf import PseudoSrc

Label = NewType("Label", int)

_ISLAND_EVERY = 8192  # instructions between looks for jumps that get too long
_CARRY_ON = 12288  # a jump waiting for longer than this is carried on by an island
_LONGEST = 32767
_JA, _EXIT = ebpf.jump().code, ebpf.leave().code


class JumpTooLongError(Exception):
    """So many labels are open at once that no island can serve them all."""


@dataclass(frozen=True, slots=True)
class Code:
    """Finished code; `spans` has one entry per slot."""

    insns: tuple[Insn, ...]
    spans: tuple[Span | None, ...]
    map_refs: tuple[tuple[int, str], ...]

    def put_off(self) -> int:
        """Return how many jumps the verifier puts off at once if it goes everywhere once only."""
        seen = bytearray(len(self.insns))
        waiting, most = [0], 0
        while waiting:
            at = waiting.pop()
            while not seen[at]:
                seen[at] = 1
                code, _, _, off, _ = self.insns[at]
                if code == _EXIT:
                    break
                if code == _JA:
                    at += off
                elif code & 7 in (Class.JMP, Class.JMP32) and code & 0xF0 != Jmp.CALL:
                    waiting.append(at + 1 + off)
                    most = max(most, len(waiting))
                at += 1
        return most


class Assembler:
    """One program under construction."""

    def __init__(self, *, shallow: bool = False) -> None:
        self.span: Span | None = None  # given to everything emitted from now on
        self.open = True  # whether what is emitted now can be reached
        self._shallow = shallow
        self._insns: list[Insn] = []
        self._spans: list[Span | None] = []
        self._map_refs: list[tuple[int, str]] = []
        self._waiting: dict[Label, list[int]] = {}  # jumps to labels not placed yet
        self._count = 0
        self._placed_at = 0  # where a label was last placed: what is before it must stay
        self._next_island = _ISLAND_EVERY

    def label(self) -> Label:
        """Return a fresh label, to be jumped to and then placed."""
        self._count += 1
        return Label(self._count)

    def emit(self, *insns: Insn) -> None:
        """Append instructions that belong together, but for moves of a register to itself."""
        if not self.open:
            return
        if len(self._insns) >= self._next_island:
            self._island()
        self._append(*(insn for insn in insns if insn != ebpf.mov_reg(insn.dst, insn.dst)))

    def load_map(self, dst: int, name: str, *, value: bool = False) -> None:
        """dst = the map's address, or with `value` that of an array's only value."""
        if self.open:
            pseudo = PseudoSrc.MAP_VALUE if value else PseudoSrc.MAP_FD
            self.emit(*ebpf.load_imm64(dst, 0, src=pseudo))
            self._map_refs.append((len(self._insns) - 2, name))

    def jump(self, label: Label) -> None:
        """Go on at `label`."""
        if self.open:
            self.emit(ebpf.jump())
            self._waiting.setdefault(label, []).append(len(self._insns) - 1)
            self.open = False

    def jump_if(self, insn: Insn, label: Label) -> None:
        """Go on at `label` if the comparison holds; `insn` is a conditional jump."""
        inverse = INVERSE.get(Jmp(insn.code & 0xF0))
        if not self.open:
            return
        if self._shallow and inverse is not None:
            over = self.label()
            self._jump_if(insn._replace(code=insn.code & 0x0F | inverse), over)
            self.jump(label)
            self.place(over)
        else:
            self._jump_if(insn, label)

    def leave(self) -> None:
        """End the program with what is in r0."""
        self.emit(ebpf.leave())
        self.open = False

    def place(self, label: Label) -> None:
        """Continue at `label`; falls through from the current point if that is open."""
        waiting = self._waiting.pop(label, [])
        here = len(self._insns)
        if waiting and waiting[-1] == here - 1 and self._is_needless(here - 1):
            self._insns.pop()
            self._spans.pop()
            waiting.pop()
            here -= 1
            self.open = True
        for index in waiting:
            self._aim(index, here)
        if waiting:
            self.open = True
            self._placed_at = here

    def finish(self) -> Code:
        """Return the code; every label that is jumped to must have been placed."""
        if self.open or self._waiting:
            raise AssertionError("unfinished code")
        return Code(tuple(self._insns), tuple(self._spans), tuple(self._map_refs))

    def _append(self, *insns: Insn) -> None:
        self._insns.extend(insns)
        self._spans.extend([self.span] * len(insns))

    def _jump_if(self, insn: Insn, label: Label) -> None:
        self.emit(insn)
        self._waiting.setdefault(label, []).append(len(self._insns) - 1)

    def _is_needless(self, index: int) -> bool:
        """Whether the instruction is a `ja` that nothing behind it is jumped to over."""
        return self._insns[index] == ebpf.jump() and self._placed_at <= index

    def _aim(self, index: int, target: int) -> None:
        distance = target - index - 1
        if distance > _LONGEST:
            raise JumpTooLongError
        self._insns[index] = self._insns[index]._replace(off=distance)

    def _island(self) -> None:
        """Aim the jumps that have waited long at a `ja` here, which waits instead."""
        here = len(self._insns)
        old = [label for label, jumps in self._waiting.items() if jumps[0] < here - _CARRY_ON]
        if old:
            around = here
            self._append(ebpf.jump())
            for label in old:
                for index in self._waiting[label]:
                    self._aim(index, len(self._insns))
                self._waiting[label] = [len(self._insns)]
                self._append(ebpf.jump())
            self._aim(around, len(self._insns))
            self._placed_at = len(self._insns)
        self._next_island = len(self._insns) + _ISLAND_EVERY
