"""Tokens: what the lexer makes of an expression and the parser reads.

Depends on nodes, for the facts that keywords stand for.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Union

from netbpf.errors import Span
from netbpf.expr.nodes import BoolOp, Direction, Kind, Proto, RelOp, Tunnel
from netbpf.ir.program import AluOp


class T(Enum):
    """The kinds of tokens. Keywords share a kind where the grammar treats them alike."""

    END = auto()
    BAD = auto()  # cannot be a token; the text of the complaint is the fact

    # operands
    NUMBER = auto()  # fact: its value; named values such as tcp-syn are numbers, too
    NAME = auto()
    ESCAPED = auto()  # \name; the fact is the name without the backslash
    DOTTED = auto()  # two to four numbers with dots
    IPV6 = auto()
    MAC = auto()
    ARCNET = auto()  # $xx
    STRING = auto()  # extension; the fact is what stands between the quotes

    # qualifiers, with the node's enum member as the fact
    PROTO = auto()
    DIRECTION = auto()
    KIND = auto()
    MASK = auto()

    # primitives
    LESS = auto()
    GREATER = auto()
    BYTE = auto()
    BROADCAST = auto()
    MULTICAST = auto()
    LENGTH = auto()
    INBOUND = auto()
    OUTBOUND = auto()
    IFINDEX = auto()
    IFNAME = auto()
    TUNNEL = auto()
    LLC = auto()
    RULE_NUMBER = auto()  # PF: rnr, srnr; the first is an LLC frame type, too
    RULE_NAME = auto()  # PF: rset, reason, action
    WLAN = auto()  # type, subtype, dir
    ATM = auto()
    ATM_FIELD = auto()
    SS7 = auto()
    SS7_FIELD = auto()

    # operators
    AND = auto()
    OR = auto()
    NOT = auto()
    ARITH = auto()  # fact: the AluOp
    RELATION = auto()  # fact: the RelOp

    # punctuation
    OPEN = auto()
    CLOSE = auto()
    OPEN_INDEX = auto()
    CLOSE_INDEX = auto()
    COLON = auto()
    OPEN_SET = auto()  # extension
    CLOSE_SET = auto()  # extension
    COMMA = auto()  # extension
    AT = auto()  # extension


Fact = Union[None, int, str, Proto, Direction, Kind, Tunnel, AluOp, RelOp, BoolOp]  # noqa: UP007


class Token(NamedTuple):
    """A token at [start, end) of the text. A named tuple, because there are so many of them."""

    kind: T
    text: str
    start: int
    end: int
    fact: Fact = None

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.start, self.end)
