"""Random programs of the IR that keep its rules, and packets that get around in them.

A register is named for its expression, so that the same one turns up in several blocks; joins are
assigned in blocks that all lead to the same next one, of which a packet takes one. Loads reach
beyond the packets now and then, and offsets wrap. Packets are made of few different bytes, and
programs compare with the same ones, so that most branches go both ways.
"""

from __future__ import annotations

import random
from typing import TypeVar

from netbpf.ir.interp import Packet
from netbpf.ir.program import (
    U32,
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Insn,
    Jump,
    Label,
    Load,
    Member,
    Meta,
    MetaField,
    Program,
    Reg,
    Return,
    Terminator,
    Verdict,
)
from netbpf.records import dataclass, field, replace

_T = TypeVar("_T", Const, Copy, Load, Meta, Alu)

BYTES = (0, 1, 2, 4, 6, 0x45, 0x80, 0xFF)
LONGEST = 40


def random_packet(rng: random.Random) -> Packet:
    """Return a packet of 0 to 40 bytes, with all that a hook can know of it."""
    data = bytes(rng.choices(BYTES, k=rng.randint(0, LONGEST)))
    vlan = rng.choice((None, None, (0x8100, rng.choice((0, 1, 0x2064))), (0x88A8, 0xFFF)))
    length = len(data) + rng.choice((0, 0, 1, 100)) + (4 if vlan else 0)
    return Packet(data, length, rng.randint(0, 2), rng.random() < 0.5, vlan)


def random_program(
    rng: random.Random, *, size: int = 8, meta: tuple[MetaField, ...] = tuple(MetaField)
) -> Program:
    """Return a program of about `size` blocks that reads only the given fields of metadata."""
    return _Generator(rng, meta).program(size)


@dataclass
class _Generator:
    rng: random.Random
    meta: tuple[MetaField, ...]
    blocks: list[Block] = field(default_factory=list)
    arriving: dict[Label, set[Reg]] = field(default_factory=dict)
    small: set[Reg] = field(default_factory=set)  # registers that never exceed 1000
    joins: int = 0

    def program(self, size: int) -> Program:
        labels = [Label(f"b{i}") for i in range(size)] + [Label("yes"), Label("no")]
        self.arriving[labels[0]] = set()
        for index, label in enumerate(labels[:-2]):
            known = self.arriving.get(label)
            if known is None:
                continue  # cannot be reached
            known = set(known)
            insns = self.insns(known)
            later = labels[index + 1 :]
            if known and self.rng.random() < 0.25:
                self.diamond(label, insns, known, later)
            elif known and self.rng.random() < 0.2:
                self.chain(label, insns, known, later)
            else:
                self.end(Block(label, tuple(insns), self.terminator(known, later)), known)
        outputs: set[Reg] = set()
        for label, verdict in zip(labels[-2:], (Verdict.MATCH, Verdict.NO_MATCH), strict=True):
            known = self.arriving.get(label)
            if known is None:
                continue
            insns = self.insns(known) if self.rng.random() < 0.3 else []
            self.end(Block(label, tuple(insns), Return(verdict)), known)
            outputs = known if verdict is Verdict.MATCH else outputs
        count = min(len(outputs), self.rng.choice((0, 0, 1, 3)))
        return Program(tuple(self.blocks), "", tuple(self.rng.sample(sorted(outputs), count)))

    def end(self, block: Block, known: set[Reg]) -> None:
        self.blocks.append(replace(block, insns=self.with_bounds(block.insns)))
        for target in block.targets():
            self.arriving[target] = self.arriving.get(target, known) & known

    def diamond(self, label: Label, insns: list[Insn], known: set[Reg], later: list[Label]) -> None:
        """Branch two ways, assign a join on each, and come together."""
        self.joins += 1
        join = Reg(f"join{self.joins}")
        ways = [Label(f"{label}{side}") for side in "lr"]
        done = Label(f"{label}j")
        self.end(Block(label, tuple(insns), self.test(known, ways[0], ways[1])), known)
        for way in ways:
            inside = set(known)
            body = [*self.insns(inside)[:2]]
            inside = known | {insn.dst for insn in body if not isinstance(insn, Bound)}
            value = self.insn(inside)
            if self.rng.random() < 0.5 and inside:
                value = Copy(join, self.pick(inside))
            self.end(Block(way, (*body, replace(value, dst=join)), Jump(done)), inside | {join})
        known = self.arriving[done]
        rest = self.insns(known)
        self.end(Block(done, tuple(rest), self.terminator(known, later)), known)

    def chain(self, label: Label, insns: list[Insn], known: set[Reg], later: list[Label]) -> None:
        """Ask for one value or set after another, and go to the same place if one is there."""
        then, orelse = self.rng.choice(later), self.rng.choice(later)
        some = [self.pick(known) for _ in range(2)]
        tests = self.rng.randint(2, 6)
        for index in range(tests):
            following = Label(f"{label}c{index}") if index + 1 < tests else orelse
            reg = self.rng.choice(some)
            test: Terminator = Branch(Cmp.EQ, reg, self.value(), then, following)
            if self.rng.random() < 0.3:
                test = Member((reg,), self.members(1), then, following)
            self.end(Block(label, tuple(insns), test), known)
            label, insns = following, []

    def insns(self, known: set[Reg]) -> list[Insn]:
        result: list[Insn] = []
        for _ in range(self.rng.choice((0, 1, 1, 2, 3, 5))):
            insn = self.insn(known)
            result.append(insn)
            known.add(insn.dst)
        return result

    def insn(self, known: set[Reg]) -> Const | Load | Meta | Alu | Copy:
        rng = self.rng
        kind = rng.random()
        if kind < 0.1:
            value = rng.choice((*BYTES, 0x800, 33, U32))
            return self.named(Const(Reg(f"k{value:x}"), value), value < 1000)
        if kind < 0.2 and self.meta:
            meta = rng.choice(self.meta)
            return self.named(Meta(Reg(meta.value), meta), meta is MetaField.OUTBOUND)
        if kind < 0.6 or not known:
            return self.load(known)
        if kind < 0.65:
            source = self.pick(known)
            return self.named(Copy(Reg(f"copy.{source}"), source), source in self.small)
        return self.alu(known)

    def load(self, known: set[Reg]) -> Load:
        rng = self.rng
        width = rng.choice((1, 1, 2, 4))
        offset = rng.randint(0, LONGEST // 2) if rng.random() < 0.95 else rng.randint(0, 60)
        base = None
        if known and rng.random() < 0.4:
            small = sorted(known & self.small)
            base = rng.choice(small) if small and rng.random() < 0.8 else self.pick(known)
            if rng.random() < 0.1:
                offset = U32 - rng.randint(0, 8)
        elif rng.random() < 0.01:
            offset = rng.choice((0x7FFFFFFF, 0xFFFFF000, U32))
        return self.named(Load(Reg(f"[{base}+{offset}:{width}]"), base, offset, width), width == 1)

    def alu(self, known: set[Reg]) -> Alu:
        rng = self.rng
        a = self.pick(known)
        if rng.random() < 0.15:
            # What an IPv4 header's length is made of.
            op, b = (AluOp.AND, 15) if rng.random() < 0.5 else (AluOp.LSH, 2)
            small = op is AluOp.AND or a.endswith("&15)")
            return self.named(Alu(Reg(f"({a}{op.value}{b})"), op, a, b), small)
        op = rng.choice(list(AluOp))
        if rng.random() < 0.4:
            other = self.pick(known)
            return self.named(Alu(Reg(f"({a}{op.value}{other})"), op, a, other), False)
        b = rng.choice((1, 2, 3, 8, 31, 32, 0xFF, 0xFFFF0000, U32))
        if rng.random() < 0.1 and op not in (AluOp.DIV, AluOp.MOD):
            b = 0
        small = op is AluOp.AND and b <= 0xFF
        return self.named(Alu(Reg(f"({a}{op.value}{b})"), op, a, b), small)

    def named(self, insn: _T, small: bool) -> _T:
        if small:
            self.small.add(insn.dst)
        return insn

    def pick(self, known: set[Reg]) -> Reg:
        return self.rng.choice(sorted(known))

    def terminator(self, known: set[Reg], later: list[Label]) -> Terminator:
        near = later[: self.rng.choice((1, 2, 3))]
        then = self.rng.choice(near if self.rng.random() < 0.7 else later)
        orelse = self.rng.choice(near if self.rng.random() < 0.4 else later)
        return Jump(then) if self.rng.random() < 0.1 else self.test(known, then, orelse)

    def test(self, known: set[Reg], then: Label, orelse: Label) -> Terminator:
        rng = self.rng
        if not known:
            return Jump(then)
        a = self.pick(known)
        if rng.random() < 0.15:
            width = 1 if rng.random() < 0.6 else 4
            regs = tuple(self.pick(known) for _ in range(width))
            return Member(regs, self.members(width), then, orelse)
        op = rng.choice((Cmp.EQ, Cmp.EQ, *Cmp))
        b = self.pick(known) if rng.random() < 0.2 else self.value()
        return Branch(op, a, b, then, orelse)

    def value(self) -> int:
        width = self.rng.choice((1, 1, 2, 4))
        return int.from_bytes(bytes(self.rng.choices(BYTES, k=width)), "big")

    def members(self, words: int) -> tuple[tuple[int, int], ...]:
        ranges: list[tuple[int, int]] = []
        for _ in range(self.rng.randint(0, 9)):
            low = high = 0
            for _ in range(words):
                low = low << 32 | self.value()
            high = low
            if self.rng.random() < 0.4:
                high = low + self.rng.choice((1, 5, 1 << 16, (1 << 32 * words) - 1))
            if self.rng.random() < 0.3:
                low, high = low & -0x100000000, high | U32
            ranges.append((low, min(high, (1 << 32 * words) - 1)))
        disjoint: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if not disjoint or low > disjoint[-1][1]:
                disjoint.append((low, high))
        return tuple(disjoint)

    def with_bounds(self, insns: tuple[Insn, ...]) -> tuple[Insn, ...]:
        """Add a Bound ahead of a load in the same block, which covers no more than that."""
        loads = [
            (at, insn)
            for at, insn in enumerate(insns)
            if isinstance(insn, Load)
            and insn.offset < 1000
            and (insn.base is None or insn.base in self.small)
        ]
        if not loads or self.rng.random() < 0.7:
            return insns
        at, load = self.rng.choice(loads)
        start = 0
        for index, insn in enumerate(insns[:at]):
            if not isinstance(insn, Bound) and insn.dst == load.base:
                start = index + 1
        where = self.rng.randint(start, at)
        end = load.offset + self.rng.randint(1, load.width)
        return (*insns[:where], Bound(load.base, end), *insns[where:])
