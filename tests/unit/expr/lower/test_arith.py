"""Relations and arithmetic: what is folded, what ends a program, what is refused."""

from __future__ import annotations

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Packet, run
from netbpf.ir.program import Alu, Branch, Load, Return, Verdict
from tests.support.lowering import lowered

FRAME = bytes(range(256))


def holds(text: str, data: bytes = FRAME, length: int | None = None) -> bool:
    return run(lowered(text), Packet(data, length)) is Verdict.MATCH


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("2 + 3 * 4 = 14", True),
        ("2 | 4 & 5 = 6", True),
        ("1 - 2 = 0xffffffff", True),  # wraps
        ("-1 = 0xffffffff", True),
        ("0x80000000 * 2 = 0", True),
        ("7 / 2 = 3", True),
        ("7 % 4 = 3", True),
        ("6 ^ 3 = 5", True),
        ("1 << 31 = 0x80000000", True),
        ("0x80000000 >> 31 = 1", True),
        ("0xffffffff > 1", True),  # unsigned
        ("1 != 1", False),
        ("2 <= 1", False),
        ("2 < 2", False),
        ("2 >= 2", True),
    ],
)
def test_constants_are_folded_as_the_machine_computes(text: str, true: bool) -> None:
    program = lowered(text)
    assert not any(isinstance(block.term, Branch) or block.insns for block in program)
    assert run(program, Packet(b"")) is (Verdict.MATCH if true else Verdict.NO_MATCH)


@pytest.mark.parametrize("op", ["=", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("value", [15, 16, 17])
def test_a_constant_on_the_left_mirrors_the_relation(op: str, value: int) -> None:
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
    assert holds(f"{value} {op} ether[16]") == holds(f"ether[16] {mirrored} {value}")


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("ether[16] << (ether[31] + 1) = 0", True),  # 32 or more: nothing is left
        ("ether[16] >> (ether[31] + 2) = 0", True),
        ("ether[16] << ether[2] = 64", True),
        ("not ether[16] / (ether[1] - 1) = 1", False),  # the program ends, under not as well
        ("not ether[16] % (ether[1] - 1) = 1", False),
        ("not 1 / (len - len) = 1", False),
        ("not 1 / (3 - 3) = 1", False),  # libpcap refuses a written 0 only
        ("len - 6 = 250", True),
        ("ether[ether[ether[2]]] = 2", True),
        ("ether[ether[3] + 4:4] = 0x0708090a", True),
    ],
)
def test_computing_on_the_packet(text: str, true: bool) -> None:
    assert holds(text) is true


@pytest.mark.parametrize("negated", ["", "not "])
@pytest.mark.parametrize(
    "term",
    [
        "ether[256] = 0",
        "ether[253:4] = 0",
        "ether[0xfffffff0] = 0",  # no kernel's ancillary data, nor around the end
        "ether[0 - ether[1]] = 255",
        "ip[0 - ether[14]:1] = 0",  # would wrap to the first byte
        "ether[ether[4:4]] = 0",
    ],
)
def test_a_load_beyond_the_packet_ends_the_program(term: str, negated: str) -> None:
    frame = FRAME[:12] + b"\x08\x00" + FRAME[14:]
    assert not holds(negated + term, frame)


def test_an_offset_that_may_be_far_is_tested_and_another_is_not() -> None:
    def refusals(text: str) -> int:
        return sum(
            isinstance(block.term, Return) and block.term.verdict is Verdict.NO_MATCH
            for block in lowered(text)
        )

    assert refusals("ether[ether[0:4]] = 1") == refusals("ether[ether[0:2]] = 1") + 1
    assert refusals("ether[ether[0:4] & 0xff] = 1") == refusals("ether[ether[0]] = 1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ip[0] / 0 = 1", "division by zero"),
        ("ip[0] % 0 = 1", "modulus by zero"),
        ("ip[0] << 32 = 1", "shift by more than 31 bits"),
        ("ip[0] >> 99 = 1", "shift by more than 31 bits"),
        ("ip[0:3] = 1", "data size must be 1, 2, or 4"),
        ("iso[0] = 1", "'iso' does not support the index operation"),
        ("1 + iso[0] = 1", "'iso' does not support the index operation"),
    ],
)
@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_refused_in_both_dialects(text: str, message: str, dialect: Dialect) -> None:
    with pytest.raises(ExpressionError) as caught:
        lowered(text, dialect=dialect)
    assert caught.value.message == message


@pytest.mark.parametrize("text", ["1 / ip[0] = 1", "1 % (0 + 5) = 1", "1 << ip[40] = 1"])
def test_libpcap_judges_a_divisor_by_the_first_number_in_it(text: str) -> None:
    lowered(text, dialect=Dialect.NETBPF)
    with pytest.raises(ExpressionError, match=r"by zero|by more than 31 bits"):
        lowered(text)


def test_libpcap_guards_the_left_operand_only() -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(60)
    assert holds("arp[0] + udp[0] = 0", arp)
    assert not holds("udp[0] + arp[0] = 0", arp)
    native = lowered("arp[0] + udp[0] = 0", dialect=Dialect.NETBPF)
    assert run(native, Packet(arp)) is Verdict.NO_MATCH


def test_equal_terms_are_loaded_once() -> None:
    program = lowered("ether[20] + ether[20] = 40 or ether[20] = 3")
    insns = [insn for block in program for insn in block.insns]
    assert sum(isinstance(insn, Load) for insn in insns) == 1
    assert sum(isinstance(insn, Alu) for insn in insns) == 1


def test_deep_arithmetic_needs_no_stack() -> None:
    depth = 5000
    assert holds("(" * depth + "ether[1]" + " + 1)" * depth + f" = {depth + 1}")
    assert holds("ether[" * depth + "3" + "]" * depth + " = 3")
