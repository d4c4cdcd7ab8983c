"""A Program as text, and back: for golden files, for tests of passes, for reading.

    text "tcp dst port 80"
    outputs tcp.dport
    entry:
      ethertype = load2 12
      header = l3 + 20
      tcp.dport = load2 header + 2
      bound header + 4
      if tcp.dport == 0x50 goto yes else no
    yes:
      match

Everything is separated by spaces, so that a register may be named '[l3+9:1]'. A line may end in
its span, as '@ 4:7'; lines that start with '#' are comments. A Decide is written, but not read.
Depends on errors and ir.program.
"""

from __future__ import annotations

from collections.abc import Iterator

from netbpf.errors import IrError, Span
from netbpf.ir.program import (
    Alu,
    AluOp,
    Block,
    Bound,
    Branch,
    Cmp,
    Const,
    Copy,
    Decide,
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

_WIDTHS = {"load1": 1, "load2": 2, "load4": 4}


def dump(program: Program, *, spans: bool = False) -> str:
    """Return the whole program, a line per instruction; `parse` reads it back."""
    return "".join(f"{line}\n" for line in _lines(program, spans))


def show(node: Insn | Terminator) -> str:
    """Return one instruction or terminator as it stands in a dump."""
    if isinstance(node, Const):
        return f"{node.dst} = {_number(node.value)}"
    if isinstance(node, Copy):
        return f"{node.dst} = {node.src}"
    if isinstance(node, Load):
        return f"{node.dst} = load{node.width} {_address(node.base, node.offset)}"
    if isinstance(node, Meta):
        return f"{node.dst} = meta {node.field.value}"
    if isinstance(node, Alu):
        return f"{node.dst} = {node.a} {node.op.value} {_operand(node.b)}"
    if isinstance(node, Bound):
        return f"bound {_address(node.base, node.end)}"
    if isinstance(node, Jump):
        return f"goto {node.target}"
    if isinstance(node, Return):
        return node.verdict.value
    if isinstance(node, Branch):
        test = f"{node.a} {node.op.value} {_operand(node.b)}"
    elif isinstance(node, Decide):
        test = str(node.formula)
    else:
        members = " ".join(_range(low, high) for low, high in node.members)
        test = f"{' '.join(node.regs)} in {{ {members} }}"
    return f"if {test} goto {node.then} else {node.orelse}"


def parse(text: str) -> Program:
    """Read what `dump` wrote. Raises IrError naming the line; does not verify the program."""
    head: dict[str, str] = {}
    blocks: list[Block] = []
    label: Label | None = None
    insns: list[Insn] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if label is None and words[0] in ("text", "outputs"):
            head[words[0]] = line.split(None, 1)[1]
            continue
        try:
            if label is None and len(words) == 1 and words[0].endswith(":"):
                label = Label(words[0][:-1])
                continue
            node = _node(words)
        except (ValueError, KeyError, IndexError) as error:
            raise IrError(f"line {number}: cannot read '{line.strip()}'") from error
        if label is None:
            raise IrError(f"line {number}: '{line.strip()}' is outside a block")
        if isinstance(node, (Jump, Branch, Member, Decide, Return)):
            blocks.append(Block(label, tuple(insns), node))
            label, insns = None, []
        else:
            insns.append(node)
    if label is not None:
        raise IrError(f"{label}: the block has no end")
    outputs = tuple(Reg(word) for word in head.get("outputs", "").split())
    import json

    return Program(tuple(blocks), json.loads(head.get("text", '""')), outputs)


# -- writing ----------------------------------------------------------------------------------


def _lines(program: Program, spans: bool) -> Iterator[str]:
    if program.text:
        import json  # not above: it costs more start-up time than the rest of the IR

        yield f"text {json.dumps(program.text)}"
    if program.outputs:
        yield f"outputs {' '.join(program.outputs)}"
    for block in program:
        yield f"{block.label}:"
        for node in (*block.insns, block.term):
            where = f" @ {node.span.start}:{node.span.end}" if spans and node.span else ""
            yield f"  {show(node)}{where}"


def _number(value: int) -> str:
    return str(value) if value < 10 else hex(value)


def _range(low: int, high: int) -> str:
    return _number(low) if low == high else f"{_number(low)}-{_number(high)}"


def _operand(value: Reg | int) -> str:
    return _number(value) if isinstance(value, int) else value


def _address(base: Reg | None, offset: int) -> str:
    return str(offset) if base is None else f"{base} + {offset}"


# -- reading ----------------------------------------------------------------------------------


def _node(words: list[str]) -> Insn | Terminator:
    span = None
    if len(words) > 2 and words[-2] == "@":
        start, end = words[-1].split(":")
        span = Span(int(start), int(end))
        words = words[:-2]
    if len(words) > 1 and words[1] == "=":
        return _assignment(Reg(words[0]), words[2:], span)
    if words[0] == "bound":
        return Bound(*_read_address(words[1:]), span)
    if words[0] == "goto" and len(words) == 2:
        return Jump(Label(words[1]), span)
    if words[0] == "if":
        return _test(words[1:], span)
    return Return(Verdict(" ".join(words)), span)


def _assignment(dst: Reg, words: list[str], span: Span | None) -> Insn:
    """Read what stands right of the '='; the number of words tells most forms apart."""
    if len(words) == 1:
        value = _read_operand(words[0])
        return Const(dst, value, span) if isinstance(value, int) else Copy(dst, value, span)
    if len(words) == 3:
        return Alu(dst, AluOp(words[1]), Reg(words[0]), _read_operand(words[2]), span)
    if words[0] == "meta":
        return Meta(dst, MetaField(words[1]), span)
    return Load(dst, *_read_address(words[1:]), _WIDTHS[words[0]], span)


def _test(words: list[str], span: Span | None) -> Branch | Member:
    *test, goto, then, orelse, other = words
    if (goto, orelse) != ("goto", "else"):
        raise ValueError(goto)
    if "in" in test:
        at = test.index("in")
        if (test[at + 1], test[-1]) != ("{", "}"):
            raise ValueError(test[-1])
        regs = tuple(Reg(word) for word in test[:at])
        members = tuple(_read_range(word) for word in test[at + 2 : -1])
        return Member(regs, members, Label(then), Label(other), span)
    a, op, b = test
    return Branch(Cmp(op), Reg(a), _read_operand(b), Label(then), Label(other), span)


def _read_operand(word: str) -> Reg | int:
    return int(word, 0) if word[0].isdigit() else Reg(word)


def _read_address(words: list[str]) -> tuple[Reg | None, int]:
    if len(words) == 1:
        return None, int(words[0], 0)
    base, plus, offset = words
    if plus != "+":
        raise ValueError(plus)
    return Reg(base), int(offset, 0)


def _read_range(word: str) -> tuple[int, int]:
    low, _, high = word.partition("-")
    return int(low, 0), int(high or low, 0)
