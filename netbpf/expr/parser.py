"""Parse an expression: the boolean level, parentheses, relations, inherited qualifiers.

    expression  = term { ('and' | 'or') (term | identifier) }
    term        = {'not'} ( primitive | relation | '(' expression ')' | HEAD identifiers )
    identifiers = {'not'} ( identifier | '(' identifiers { ('and' | 'or') identifiers } ')' )
    relation    = arith ('=' | '!=' | '<' | '<=' | '>' | '>=') arith
    arith       = NUMBER | 'len' | PROTO '[' arith [':' NUMBER] ']' | '-' arith | '(' arith ')'
                | arith ('+' '-' '*' '/' '%' '&' '|' '^' '<<' '>>') arith

`and` and `or` have equal precedence. A bare identifier takes the qualifiers of the term before it,
and a parenthesised expression takes none from inside: after it those count that stood before it.

The parser is one loop over tokens and a stack of frames, one per open parenthesis or bracket:
text of any depth costs memory, never the interpreter's stack. An opening parenthesis does not say
whether values, identifiers or expressions follow; a frame decides when it knows.
Neighbours: cursor, frames; primitives and identifiers parse what does not nest.
"""

from __future__ import annotations

from netbpf.errors import Span
from netbpf.expr import complaints, extensions
from netbpf.expr.cursor import Cursor
from netbpf.expr.frames import Frame, Mode, Role, Sum, widen
from netbpf.expr.identifiers import STARTS, parse_identifier, parse_set
from netbpf.expr.nodes import (
    AddressSet,
    Arith,
    BoolOp,
    Chain,
    Dialect,
    Expr,
    HeaderField,
    Identifier,
    Inner,
    Length,
    Not,
    Num,
    Number,
    PacketBytes,
    Primitive,
    Proto,
    Relation,
    RelOp,
    TunnelTest,
)
from netbpf.expr.primitives import Head, parse_primitive
from netbpf.expr.runs import read_alternatives
from netbpf.expr.tokens import T, Token
from netbpf.expr.words import CONSTANTS
from netbpf.ir.program import AluOp
from netbpf.records import replace


def parse(text: str, *, dialect: Dialect = Dialect.NETBPF, gather: bool = True) -> Expr | None:
    """Parse `text`; None for an empty expression, which every packet matches.

    `gather` makes one set of a long list of alternatives, at once; else each is a term.

    Names stay names: `resolve` turns them into numbers. Raises ExpressionError and nothing else,
    whatever the text.
    """
    cursor = Cursor(text, dialect, gather=gather)
    if cursor.token.kind is T.END:
        return None
    return _Parser(cursor).run()


class _Parser:
    """The loop. Between two steps, the top frame says what may come next."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._stack = [Frame(Mode.EXPRESSION)]

    def run(self) -> Expr:
        while True:
            frame = self._stack[-1]
            if frame.sum is not None:
                if frame.sum.wants_value:
                    self._value(frame, frame.sum)
                else:
                    self._after_value(frame, frame.sum)
            elif not frame.done:
                self._term(frame)
            elif self._cursor.token.kind is T.END and frame.role is Role.TOP:
                return frame.expression()
            else:
                self._after_term(frame)

    # -- where a term may begin ------------------------------------------------------------------

    def _term(self, frame: Frame) -> None:
        cursor = self._cursor
        token = cursor.token
        if token.kind is T.NOT:
            frame.nots.append(cursor.advance().start)
        elif frame.head is not None or frame.mode is Mode.IDENTIFIERS:
            self._identifiers(frame)
        elif token.kind is T.OPEN:
            mode = frame.mode
            if mode is Mode.EXPRESSION and frame.op is not None:
                mode = Mode.EITHER
            self._open(Frame(mode, Role.GROUP, token.start, frame.quals, opener=token))
        elif self._begins_value(token):
            frame.sum = Sum()
        elif cursor.is_word("inner"):
            self._inner(token)
        elif token.kind in STARTS and not self._is_extension(token):
            self._inherit(frame)
        else:
            self._primitive(frame)

    def _open(self, frame: Frame) -> None:
        self._cursor.advance()
        self._stack.append(frame)

    def _inner(self, token: Token) -> None:
        cursor = self._cursor
        cursor.advance()
        opener = cursor.expect(T.OPEN, "'(' after 'inner'")
        self._stack.append(Frame(Mode.EXPRESSION, Role.INNER, token.start, opener=opener))

    def _primitive(self, frame: Frame) -> None:
        parsed = parse_primitive(self._cursor)
        if parsed is None:
            raise complaints.no_term(self._cursor)
        if frame.mode is Mode.EITHER:
            frame.mode = Mode.EXPRESSION
        if isinstance(parsed, Head):
            frame.head = parsed
            if self._cursor.is_word("in") and self._cursor.peek().kind in (T.OPEN_SET, T.AT):
                self._identified(frame, parse_set(self._cursor, parsed.quals))
            return
        frame.quals = None
        self._complete(frame, parsed)

    def _is_extension(self, token: Token) -> bool:
        extended = token.kind is T.NAME and self._cursor.extended
        return extended and extensions.begins_primitive(self._cursor)

    # -- identifiers -------------------------------------------------------------------------------

    def _identifiers(self, frame: Frame) -> None:
        """Parse what qualifiers wait for: an identifier, or a parenthesis of them."""
        cursor = self._cursor
        quals = frame.head.quals if frame.head is not None else frame.quals
        if cursor.token.kind is T.OPEN:
            opener = cursor.token
            self._open(Frame(Mode.IDENTIFIERS, Role.GROUP, opener.start, quals, opener=opener))
            return
        if quals is None:
            raise complaints.no_qualifiers(cursor, frame)
        self._identified(frame, parse_identifier(cursor, quals))

    def _inherit(self, frame: Frame) -> None:
        """Parse a bare identifier where a term may stand, too."""
        if frame.op is None and frame.mode is not Mode.EITHER:
            raise complaints.bare_identifier(self._cursor)
        if frame.quals is None:
            raise complaints.no_qualifiers(self._cursor, frame)
        if frame.mode is Mode.EITHER:
            frame.mode = Mode.IDENTIFIERS
        self._identified(frame, parse_identifier(self._cursor, frame.quals))

    def _identified(self, frame: Frame, ident: Identifier) -> None:
        """Complete a primitive."""
        head = frame.head
        if head is not None:
            frame.head = None
            frame.quals = head.quals
            span = Span(head.start, ident.span.end)
            self._complete(frame, Primitive(head.quals, ident, span))
        else:
            assert frame.quals is not None
            self._complete(frame, Primitive(frame.quals, ident, ident.span, inherited=True))

    def _complete(self, frame: Frame, term: Expr, *, grouped: bool = False) -> None:
        """Complete a term with the `not`s before it."""
        if frame.nots:
            if len(frame.nots) % 2:
                term = _negate(term, frame.nots[0])
            elif isinstance(term, TunnelTest):
                term = Chain(term, (), term.span)
            frame.nots.clear()
        frame.grouped = grouped
        frame.add(term)

    # -- arithmetic -------------------------------------------------------------------------------

    def _begins_value(self, token: Token) -> bool:
        match token.kind:
            case T.NUMBER | T.LENGTH:
                return True
            case T.ARITH:
                return token.fact is AluOp.SUB
            case T.PROTO:
                return self._cursor.peek().kind is T.OPEN_INDEX
            case T.NAME:
                return self._cursor.extended and extensions.begins_value(self._cursor)
        return False

    def _value(self, frame: Frame, total: Sum) -> None:
        """Parse an operand, or what comes before one."""
        cursor = self._cursor
        token = cursor.token
        match token.kind:
            case T.NUMBER:
                cursor.advance()
                total.value(_number(token))
            case T.LENGTH:
                cursor.advance()
                total.value(Length(token.span))
            case T.ARITH if token.fact is AluOp.SUB:
                cursor.advance()
                total.negate(token.start)
            case T.OPEN:
                inner = Frame(Mode.ARITHMETIC, Role.GROUP, token.start, opener=token, sum=Sum())
                self._open(inner)
            case T.PROTO if cursor.peek().kind is T.OPEN_INDEX:
                assert isinstance(token.fact, Proto)
                self._open_index(token, token.fact)
            case T.NAME if cursor.extended and token.text == "payload":
                self._open_index(token, None)
            case T.NAME if cursor.extended and token.text in ("ttl", "dscp"):
                cursor.advance()
                total.value(HeaderField(token.text, token.span))
            case T.NAME if cursor.extended and _compares_dscp(frame):
                cursor.advance()
                total.value(extensions.dscp_name(cursor, token))
            case _:
                raise complaints.no_value(cursor)

    def _open_index(self, token: Token, proto: Proto | None) -> None:
        cursor = self._cursor
        cursor.advance()
        opener = cursor.expect(T.OPEN_INDEX, "'['")
        self._stack.append(
            Frame(Mode.ARITHMETIC, Role.INDEX, token.start, proto=proto, opener=opener, sum=Sum())
        )

    def _after_value(self, frame: Frame, total: Sum) -> None:
        """Parse what may follow an operand."""
        cursor = self._cursor
        token = cursor.token
        if token.kind is T.ARITH:
            assert isinstance(token.fact, AluOp)
            cursor.advance()
            total.operator(token.fact)
        elif token.kind is T.RELATION and frame.mode is not Mode.ARITHMETIC:
            if frame.relation is not None:
                raise complaints.second_relation(cursor)
            cursor.advance()
            assert isinstance(token.fact, RelOp)
            frame.relation = (token.fact, total.finish())
            frame.sum = Sum()
        elif frame.role is Role.INDEX:
            self._close_index(frame, total)
        elif token.kind is T.CLOSE and frame.role is Role.GROUP and _is_value(frame):
            self._close_value(frame, total.finish())
        else:
            self._settle(frame, total)

    def _settle(self, frame: Frame, total: Sum) -> None:
        """Make a term of finished arithmetic: a relation, or a number that inherits qualifiers."""
        value = total.finish()
        if frame.relation is not None:
            op, left = frame.relation
            frame.sum = frame.relation = None
            frame.quals = None
            if frame.mode is Mode.EITHER:
                frame.mode = Mode.EXPRESSION
            self._complete(frame, Relation(op, left, value, left.span.cover(value.span)))
            return
        bare = isinstance(value, Num) and (frame.op is not None or frame.mode is Mode.EITHER)
        if frame.mode is Mode.ARITHMETIC or not bare or not self._ends_term():
            raise complaints.no_relation(self._cursor, frame, value)
        assert isinstance(value, Num)
        if frame.quals is None:
            raise complaints.no_qualifiers(self._cursor, frame, value)
        frame.sum = None
        if frame.mode is Mode.EITHER:
            frame.mode = Mode.IDENTIFIERS
        self._identified(frame, Number(value.value, value.span))

    def _ends_term(self) -> bool:
        return self._cursor.token.kind in (T.AND, T.OR, T.CLOSE, T.END)

    def _close_index(self, frame: Frame, total: Sum) -> None:
        """Parse the end of `proto[index:size]`."""
        cursor = self._cursor
        size = 1
        if cursor.accept(T.COLON):
            token = cursor.expect(T.NUMBER, "a size: 1, 2 or 4")
            if token.fact not in (1, 2, 4):
                raise cursor.error("data size must be 1, 2, or 4", token.span)
            assert isinstance(token.fact, int)
            size = token.fact
            end = cursor.expect(T.CLOSE_INDEX, "']'")
        elif cursor.token.kind is not T.CLOSE_INDEX:
            raise complaints.unclosed(cursor, frame, "an operator, ':' or ']'")
        else:
            end = cursor.advance()
        self._stack.pop()
        span = Span(frame.start, end.end)
        self._give_value(PacketBytes(frame.proto, total.finish(), size, span))

    def _close_value(self, frame: Frame, value: Arith) -> None:
        """Close a parenthesis that holds nothing but arithmetic."""
        end = self._cursor.advance()
        self._stack.pop()
        self._give_value(widen(value, Span(frame.start, end.end)))

    def _give_value(self, value: Arith) -> None:
        parent = self._stack[-1]
        if parent.sum is None:
            parent.sum = Sum()
        parent.sum.value(value)

    # -- after a term --------------------------------------------------------------------------

    def _after_term(self, frame: Frame) -> None:
        cursor = self._cursor
        token = cursor.token
        if token.kind is T.OR and self._alternatives(frame):
            return
        if token.kind in (T.AND, T.OR):
            cursor.advance()
            frame.op = BoolOp.AND if token.kind is T.AND else BoolOp.OR
            frame.done = False
        elif token.kind is T.CLOSE and frame.role in (Role.GROUP, Role.INNER):
            self._close(frame)
        else:
            raise complaints.after_term(cursor, frame)

    def _alternatives(self, frame: Frame) -> bool:
        """Make a set of the last term and a long list of alternatives to it, if that is there.

        As expr.lower.merge would in the end: `a and port 1 or port 2` is not the place.
        """
        last = frame.last
        joined = not frame.rest or frame.rest[-1][0] is BoolOp.OR
        if frame.grouped or not joined or not isinstance(last, Primitive):
            return False
        listing = read_alternatives(self._cursor, last)
        if listing is None:
            return False
        span = last.span.cover(listing.span)
        frame.replace_last(replace(last, ident=AddressSet(listing, span), span=span))
        return True

    def _close(self, frame: Frame) -> None:
        """Close a parenthesis that holds terms."""
        end = self._cursor.advance()
        span = Span(frame.start, end.end)
        self._stack.pop()
        parent = self._stack[-1]
        expr = frame.expression(span)
        if frame.mode is Mode.IDENTIFIERS:
            self._close_identifiers(parent, expr, span)
            return
        if parent.mode is Mode.EITHER:
            parent.mode = Mode.EXPRESSION
        if frame.role is Role.INNER:
            parent.quals = None
            self._complete(parent, Inner(expr, span))
            return
        if isinstance(expr, TunnelTest) and self._cursor.extended:
            expr = Chain(expr, (), span)  # the parenthesis ends the tunnel's scope
        self._complete(parent, expr, grouped=True)

    def _close_identifiers(self, parent: Frame, expr: Expr, span: Span) -> None:
        if parent.head is not None:
            parent.quals = parent.head.quals
            parent.head = None
        elif parent.first is None and not parent.nots and not self._may_lead(expr):
            hint = "leave the inner parentheses out"
            raise self._cursor.error("expected an identifier, found a parenthesis", span, hint=hint)
        if parent.mode is Mode.EITHER:
            parent.mode = Mode.IDENTIFIERS
        self._complete(parent, expr)

    def _may_lead(self, expr: Expr) -> bool:
        """Whether identifiers in parentheses may come first in a parenthesis of identifiers.

        pcap-filter's grammar has it so for a number only; the default dialect does not mind.
        """
        number = isinstance(expr, Primitive) and isinstance(expr.ident, Number)
        return number or self._cursor.extended


def _is_value(frame: Frame) -> bool:
    """Whether a parenthesis has held nothing but arithmetic so far."""
    return frame.relation is None and frame.first is None and not frame.nots


def _number(token: Token) -> Num:
    assert isinstance(token.fact, int)
    return Num(token.fact, token.span, token.text if token.text in CONSTANTS else "")


def _compares_dscp(frame: Frame) -> bool:
    left = frame.relation[1] if frame.relation is not None else None
    return isinstance(left, HeaderField) and left.name == "dscp"


def _negate(term: Expr, start: int) -> Expr:
    """Return `not term`. Of two negations in a row nothing is left but the scope."""
    span = Span(start, term.span.end)
    if isinstance(term, Not):
        operand = term.operand
        return Chain(operand, (), span) if isinstance(operand, TunnelTest) else operand
    return Not(term, span)
