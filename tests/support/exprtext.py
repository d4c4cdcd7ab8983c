"""Expressions as text again, with every parenthesis and every qualifier written out.

`spell(parse(text))` means what `text` means, and leaves nothing to precedence or inheritance: what
an oracle makes of the one it must make of the other. Recursive: for the small trees of tests only.
"""

from __future__ import annotations

from netbpf.expr.nodes import (
    Arith,
    Binary,
    Broadcast,
    ByteTest,
    Chain,
    Expr,
    HeaderField,
    Identifier,
    IfIndex,
    Inbound,
    IPv4,
    IPv6,
    Keyword,
    Length,
    LengthLimit,
    Llc,
    Mac,
    Multicast,
    Name,
    Negate,
    Not,
    Num,
    Number,
    PacketBytes,
    Primitive,
    Qualifiers,
    Relation,
    TunnelTest,
)


def spell(expr: Expr) -> str:
    """Return an expression of pcap-filter(7) in full."""
    match expr:
        case Not(operand):
            return f"not {spell(operand)}"
        case Chain(first, rest):
            text = spell(first)
            for op, term in rest:
                text = f"({text} {op.value} {spell(term)})"
            return text if rest else f"({text})"
        case Primitive(quals, ident):
            return f"{spell_qualifiers(quals)} {spell_identifier(ident)}"
        case Keyword(proto):
            return proto.value
        case Relation(op, left, right):
            return f"{spell_value(left)} {op.value} {spell_value(right)}"
        case Broadcast(proto) | Multicast(proto):
            word = "broadcast" if isinstance(expr, Broadcast) else "multicast"
            return f"{proto.value} {word}" if proto else word
        case LengthLimit(greater, value):
            return f"{'greater' if greater else 'less'} {value}"
        case ByteTest(offset, op, value):
            return f"byte {offset} {op} {value}"
        case Inbound(outbound):
            return "outbound" if outbound else "inbound"
        case IfIndex(value):
            return f"ifindex {value}"
        case Llc(kind):
            return f"llc {kind}".strip()
        case TunnelTest(tunnel, ident):
            return tunnel.value if ident is None else f"{tunnel.value} {ident}"
    raise NotImplementedError(expr)


def spell_qualifiers(quals: Qualifiers) -> str:
    """Return qualifiers as they are written."""
    parts = (quals.proto, quals.direction, quals.kind)
    return " ".join(part.value for part in parts if part is not None)


def spell_identifier(ident: Identifier) -> str:
    """Return an identifier as it is written."""
    match ident:
        case Number(value):
            return str(value)
        case Name(text, escaped):
            return f"\\{text}" if escaped else text
        case IPv4(text, length=int() as length) | IPv6(text, length=int() as length):
            return f"{text}/{length}"
        case IPv4(text, mask=int() as mask):
            dotted = ".".join(map(str, mask.to_bytes(ident.mask_bits // 8, "big")))
            return f"{text} mask {dotted}"
        case IPv4(text) | IPv6(text):
            return text
        case Mac(value):
            return value.to_bytes(6, "big").hex(":")
    raise NotImplementedError(ident)


def spell_value(value: Arith) -> str:
    """Return arithmetic with all its parentheses."""
    match value:
        case Num(number):
            return str(number)
        case Length():
            return "len"
        case HeaderField(name):
            return name
        case PacketBytes(proto, index, size):
            name = proto.value if proto else "payload"
            return f"{name}[{spell_value(index)}:{size}]"
        case Negate(operand):
            return f"(- {spell_value(operand)})"
        case Binary(op, left, right):
            return f"({spell_value(left)} {op.value} {spell_value(right)})"
