"""Classic BPF from the IR, as text: what each rule of the translation makes of a small program."""

from __future__ import annotations

from textwrap import dedent

import pytest

from netbpf.asm.cbpf import Insn, Op
from netbpf.asm.cbpf_listing import listing
from netbpf.codegen.cbpf import generate
from netbpf.errors import CodeSizeError, Span
from netbpf.ir.text import parse
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from netbpf.spec import ClassicFilter
from tests.support.cbpf_vm import run
from tests.support.kernel_cbpf import KernelFilter


def classic(text: str, *, stripped_tags: bool = False) -> ClassicFilter:
    program = parse(dedent(text))
    verify(program)
    return generate(program, linktype=LinkType.EN10MB, snaplen=96, stripped_tags=stripped_tags)


def check(text: str, code: str, *, stripped_tags: bool = False) -> None:
    """Assert that a program becomes the listing."""
    got = shown(classic(text, stripped_tags=stripped_tags))
    assert "\n".join(got) == dedent(code).strip()


def shown(code: ClassicFilter) -> list[str]:
    """Return a listing without its line numbers and tabs."""
    return [" ".join(line.split()[1:]) for line in listing(code.insns)]


RETURNS = "\n        yes:\n          match\n        no:\n          no match\n"


def test_values_stay_in_a_and_x_across_blocks() -> None:
    check(
        """
        entry:
          type = load2 12
          if type == 0x800 goto ip else other
        ip:
          byte = load1 14
          low = byte & 15
          header = low << 2
          src = load2 header + 14
          if src == 80 goto yes else dst
        dst:
          dst = load2 header + 16
          if dst == 80 goto yes else no
        other:
          if type == 0x86dd goto yes else no
        """
        + RETURNS,
        """
        ldh [12]
        jeq #0x800 jt 2 jf 7
        ldxb 4*([14]&0xf)
        ldh [x + 14]
        jeq #0x50 jt 8 jf 5
        ldh [x + 16]
        jeq #0x50 jt 8 jf 9
        jeq #0x86dd jt 8 jf 9
        ret #96
        ret #0
        """,
    )


def test_constants_of_a_base_go_into_the_offset() -> None:
    check(
        """
        entry:
          byte = load1 14
          low = byte & 15
          header = low * 4
          l4 = header + 14
          port = l4 + 2
          dst = load2 port + 0
          if dst > 1023 goto yes else no
        """
        + RETURNS,
        """
        ldxb 4*([14]&0xf)
        ldh [x + 16]
        jgt #0x3ff jt 3 jf 4
        ret #96
        ret #0
        """,
    )


@pytest.mark.parametrize(
    "header",
    [
        "byte = load2 14\n  low = byte & 15\n  header = low << 2",
        "byte = load1 14\n  low = byte & 7\n  header = low << 2",
        "byte = load1 14\n  low = byte & 15\n  header = low << 3",
        "byte = load1 14\n  low = byte | 15\n  header = low << 2",
        "other = load1 0\n  byte = load1 other + 14\n  low = byte & 15\n  header = low << 2",
    ],
)
def test_what_is_no_header_length_is_not_loaded_as_one(header: str) -> None:
    got = classic(
        f"entry:\n  {header}\n  src = load2 header + 14\n  if src == 80 goto yes else no\n"
        + dedent(RETURNS)
    )
    assert not [insn for insn in got.insns if insn.code == Op.LDX_MSH]


def test_a_header_length_checks_its_own_byte_only() -> None:
    check(
        """
        entry:
          next = load1 15
          byte = load1 14
          low = byte & 15
          header = low << 2
          if header == 20 goto yes else no
        """
        + RETURNS,
        """
        ldb [15]
        ldxb 4*([14]&0xf)
        txa
        jeq #0x14 jt 4 jf 5
        ret #96
        ret #0
        """,
    )


def test_joins_are_kept_in_memory() -> None:
    check(
        """
        entry:
          type = load2 12
          if type == 0x8100 goto tagged else plain
        tagged:
          l3 = 18
          goto ip
        plain:
          l3 = 14
          goto ip
        ip:
          proto = load1 23
          if proto == 6 goto frag else no
        frag:
          bits = load2 l3 + 6
          if bits & 0x1fff goto no else yes
        """
        + RETURNS,
        """
        ldh [12]
        jeq #0x8100 jt 2 jf 5
        ld #0x12
        st M[0]
        ja 7
        ld #0xe
        st M[0]
        ldb [23]
        jeq #0x6 jt 9 jf 13
        ldx M[0]
        ldh [x + 6]
        jset #0x1fff jt 13 jf 12
        ret #96
        ret #0
        """,
    )


def test_a_join_that_stays_in_x_is_not_stored() -> None:
    check(
        """
        entry:
          type = load2 12
          if type == 0x8100 goto tagged else plain
        tagged:
          l3 = 18
          goto ip
        plain:
          l3 = 14
          goto ip
        ip:
          proto = load1 l3 + 9
          if proto == 6 goto frag else no
        frag:
          bits = load2 l3 + 6
          if bits & 0x1fff goto no else yes
        """
        + RETURNS,
        """
        ldh [12]
        jeq #0x8100 jt 2 jf 4
        ld #0x12
        ja 5
        ld #0xe
        tax
        ldb [x + 9]
        jeq #0x6 jt 8 jf 11
        ldh [x + 6]
        jset #0x1fff jt 11 jf 10
        ret #96
        ret #0
        """,
    )


def test_a_dear_value_that_is_used_again_is_kept() -> None:
    text = """
        entry:
          a = load1 0
          b = a * 3
          c = b ^ 77
          d = c % 100
          if d == 1 goto yes else one
        one:
          x = load1 1
          if x == 1 goto two else no
        two:
          if d == 2 goto yes else three
        three:
          y = load1 2
          if y == 1 goto four else no
        four:
          if d == 3 goto yes else no
        """
    check(
        text + RETURNS,
        """
        ldb [0]
        mul #3
        xor #0x4d
        mod #100
        st M[0]
        jeq #0x1 jt 13 jf 6
        ldb [1]
        jeq #0x1 jt 8 jf 14
        ld M[0]
        jeq #0x2 jt 13 jf 10
        jeq #0x3 jt 11 jf 14
        ldb [2]
        jeq #0x1 jt 13 jf 14
        ret #96
        ret #0
        """,
    )


def test_a_cheap_value_is_loaded_again() -> None:
    check(
        """
        entry:
          a = load1 1
          b = load1 0
          if b == 1 goto then else no
        then:
          if a == 2 goto yes else no
        """
        + RETURNS,
        """
        ldb [1]
        ldb [0]
        jeq #0x1 jt 3 jf 6
        ldb [1]
        jeq #0x2 jt 5 jf 6
        ret #96
        ret #0
        """,
    )


def test_a_load_whose_value_is_not_wanted_is_still_a_check() -> None:
    # [30] is loaded on the way to one match only; [2] is covered by [3].
    check(
        """
        entry:
          a = load4 30
          b = load1 2
          c = load1 3
          if c == 1 goto yes else more
        more:
          d = load1 60
          if d == 1 goto yes else no
        """
        + RETURNS,
        """
        ld [30]
        ldb [3]
        jeq #0x1 jt 5 jf 3
        ldb [60]
        jeq #0x1 jt 5 jf 6
        ret #96
        ret #0
        """,
    )


def test_a_check_that_every_way_makes_later_is_left_to_them() -> None:
    check(
        """
        entry:
          bound 34
          a = load1 12
          if a == 1 goto one else two
        one:
          b = load4 30
          if b == 1 goto yes else no
        two:
          c = load1 33
          if c == 1 goto yes else no
        """
        + RETURNS,
        """
        ldb [12]
        jeq #0x1 jt 2 jf 4
        ld [30]
        jeq #0x1 jt 6 jf 7
        ldb [33]
        jeq #0x1 jt 6 jf 7
        ret #96
        ret #0
        """,
    )


def test_a_bound_that_stands_alone_loads_its_last_byte() -> None:
    check(
        """
        entry:
          l = load1 0
          bound 40
          bound l + 9
          match
        """,
        """
        ldb [39]
        ldb [0]
        tax
        ldb [x + 8]
        ret #96
        """,
    )


DEFINITIONS = {
    "a": "a = load1 0",
    "b": "b = load1 1",
    "k": "k = 9",
    "length": "length = meta len",
    "sum": "a = load1 0\n  sum = a + 5",
    "three": "b = load1 1\n  three = b * 3",
    "header": "b = load1 1\n  low = b & 15\n  header = low << 2",
}


def defined(expression: str) -> str:
    """Return the entry block with what the expression reads."""
    words = expression.split()
    return "entry:\n" + "".join(f"  {DEFINITIONS[w]}\n" for w in words if w in DEFINITIONS)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("a + b", "ldb [1], tax, ldb [0], add x"),
        ("a - b", "ldb [1], tax, ldb [0], sub x"),
        ("a - k", "ldb [0], ldx #0x9, sub x"),
        ("k - a", "ldb [0], tax, ld #0x9, sub x"),
        ("a * a", "ldb [0], tax, mul x"),
        ("a - header", "ldb [0], ldxb 4*([1]&0xf), sub x"),
        ("header - a", "ldxb 4*([1]&0xf), txa, st M[15], ldb [0], tax, ld M[15], sub x"),
        ("sum - b", "ldb [0], add #5, st M[15], ldb [1], tax, ld M[15], sub x"),
        ("b - sum", "ldb [0], add #5, tax, ldb [1], sub x"),
        ("sum ^ b", "ldb [0], add #5, tax, ldb [1], xor x"),
        ("sum ^ three", "ldb [0], add #5, st M[15], ldb [1], mul #3, ldx M[15], xor x"),
        ("sum - three", "ldb [0], add #5, st M[15], ldb [1], mul #3, tax, ld M[15], sub x"),
        ("length - a", "ldb [0], tax, ld #pktlen, sub x"),
        ("a << 32", "ldb [0], ld #0x0"),
    ],
)
def test_two_operands(expression: str, code: str) -> None:
    text = f"{defined(expression)}  x = {expression}\n  if x == 7 goto yes else no\n"
    got = classic(text + dedent(RETURNS))
    assert ", ".join(shown(got)[:-3]) == code


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("a == b", "ldb [1], tax, ldb [0], jeq x jt 4 jf 5"),
        ("a > b", "ldb [1], tax, ldb [0], jgt x jt 4 jf 5"),
        ("a & b", "ldb [1], tax, ldb [0], jset x jt 4 jf 5"),
        ("a > header", "ldb [0], ldxb 4*([1]&0xf), jgt x jt 3 jf 4"),
        # Where the left one is in X, the test is turned around.
        ("header > a", "ldb [0], ldxb 4*([1]&0xf), jge x jt 4 jf 3"),
        ("header >= a", "ldb [0], ldxb 4*([1]&0xf), jgt x jt 4 jf 3"),
        ("header == a", "ldb [0], ldxb 4*([1]&0xf), jeq x jt 3 jf 4"),
        ("sum > three", "ldb [0], add #5, st M[15], ldb [1], mul #3, ldx M[15], jge x jt 8 jf 7"),
        ("sum & three", "ldb [0], add #5, st M[15], ldb [1], mul #3, ldx M[15], jset x jt 7 jf 8"),
    ],
)
def test_comparisons_of_registers(test: str, code: str) -> None:
    got = classic(f"{defined(test)}  if {test} goto yes else no\n{dedent(RETURNS)}")
    assert ", ".join(shown(got)[:-2]) == code


@pytest.mark.parametrize(
    ("test", "jump"),
    [
        ("d == 1", "jeq #0x4 jt 2 jf 3"),
        ("d == 0", "jeq #0x4 jt 3 jf 2"),
        ("d > 0", "jeq #0x4 jt 2 jf 3"),
        ("d & 1", "jeq #0x4 jt 2 jf 3"),
    ],
)
def test_the_direction_is_the_packets_type(test: str, jump: str) -> None:
    check(
        f"entry:\n  d = meta outbound\n  if {test} goto yes else no\n" + dedent(RETURNS),
        f"ldh [type]\n{jump}\nret #96\nret #0",
    )


def test_a_direction_that_cannot_be_is_not_asked_for() -> None:
    check(
        "entry:\n  d = meta outbound\n  if d == 2 goto yes else no\n" + dedent(RETURNS),
        "ret #0",
    )


def test_metadata() -> None:
    check(
        """
        entry:
          d = meta outbound
          p = meta vlan.present
          t = meta vlan.tpid
          i = meta vlan.tci
          f = meta ifindex
          a = d + p
          b = a + t
          c = b + i
          e = c + f
          if e == 1 goto yes else no
        """
        + RETURNS,
        """
        ldb [vlanp]
        tax
        ldh [type]
        xor #0x4
        sub #1
        rsh #31
        add x
        tax
        ldh [vlan_tpid]
        add x
        tax
        ldb [vlan_tci]
        add x
        tax
        ld [ifidx]
        add x
        jeq #0x1 jt 17 jf 18
        ret #96
        ret #0
        """,
    )


def test_the_length_counts_a_stripped_tag() -> None:
    text = "entry:\n  len = meta len\n  if len > 100 goto yes else no\n" + dedent(RETURNS)
    check(text, "ld #pktlen\njgt #0x64 jt 2 jf 3\nret #96\nret #0")
    check(
        text,
        """
        ldb [vlanp]
        lsh #2
        tax
        ld #pktlen
        add x
        jgt #0x64 jt 6 jf 7
        ret #96
        ret #0
        """,
        stripped_tags=True,
    )


@pytest.mark.parametrize(("stripped", "loads"), [(False, 1), (True, 2)])
def test_the_length_with_a_stripped_tag_takes_x(stripped: bool, loads: int) -> None:
    got = classic(
        """
        entry:
          byte = load1 14
          low = byte & 15
          header = low << 2
          src = load2 header + 14
          if src == 1 goto yes else more
        more:
          len = meta len
          if len > 100 goto yes else again
        again:
          dst = load2 header + 16
          if dst == 1 goto yes else no
        """
        + RETURNS,
        stripped_tags=stripped,
    )
    assert [insn.code for insn in got.insns].count(Op.LDX_MSH) == loads


def test_equal_code_for_different_registers_is_shared() -> None:
    check(
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          b = load1 1
          if b == 2 goto yes else lefter
        lefter:
          if b & 6 goto yes else no
        right:
          c = load1 2
          if c == 3 goto yes else righter
        righter:
          if c & 6 goto yes else no
        """
        + RETURNS,
        """
        ldb [0]
        jeq #0x1 jt 2 jf 4
        ldb [1]
        jeq #0x2 jt 7 jf 6
        ldb [2]
        jeq #0x3 jt 7 jf 6
        jset #0x6 jt 7 jf 8
        ret #96
        ret #0
        """,
    )


def test_a_program_that_decides_nothing() -> None:
    assert classic("b:\n match").insns == (Insn(Op.RET_K, 0, 0, 96),)
    assert classic("b:\n no match").insns == (Insn(Op.RET_K, 0, 0, 0),)
    assert classic("b:\n goto c\nc:\n match").insns == (Insn(Op.RET_K, 0, 0, 96),)


def test_spans_go_with_their_instructions() -> None:
    got = classic(
        """
        text "ip or arp"
        entry:
          type = load2 12 @ 0:2
          if type == 0x800 goto yes else arp @ 0:2
        arp:
          if type == 0x806 goto yes else no @ 6:9
        yes:
          match
        no:
          no match
        """
    )
    assert got.text == "ip or arp"
    assert got.snaplen == 96
    assert got.linktype is LinkType.EN10MB
    assert got.spans == (Span(0, 2), Span(0, 2), Span(6, 9), None, None)
    assert len(got.spans) == len(got.insns)


def chain(length: int, test: str = "a == {}") -> str:
    """Return a program that compares with so many numbers, in as many blocks."""
    lines = ["entry:", "  a = load4 0", "  b = load4 4", "  goto b0"]
    for i in range(length):
        lines += [f"b{i}:", f"  if {test.format(2 * i)} goto yes else b{i + 1}"]
    return "\n".join([*lines, f"b{length}:", "  goto no", dedent(RETURNS)])


@pytest.mark.parametrize("length", [255, 256, 257, 258, 511, 513, 1000, 4000])
def test_far_targets_are_reached_by_way_of_jumps(length: int) -> None:
    got = classic(chain(length))
    near = length + 4
    assert near <= len(got.insns) <= near + 2 * (length // 250) + 1
    with KernelFilter(got.insns) as kernel:
        for value in (0, 2, 2 * (length // 2), 2 * length - 2, 1, 2 * length, 0xFFFFFFFF):
            packet = value.to_bytes(4, "big") + bytes(4)
            match = value % 2 == 0 and value < 2 * length
            assert run(got.insns, packet) == (96 if match else 0)
            assert kernel.run(packet) == (len(packet) if match else None)


def test_intermediate_values_give_their_words_back() -> None:
    lines = ["entry:", "  x0 = load1 0"]
    for i in range(40):
        lines += [f"  c{i} = load1 {i}", f"  d{i} = c{i} * 3", f"  x{i + 1} = d{i} - x{i}"]
    got = classic("\n".join([*lines, "  if x40 == 60 goto yes else no", dedent(RETURNS)]))
    assert max(insn.k for insn in got.insns if insn.code == Op.ST) == 15
    packet = bytes(range(40))
    value = 0
    for byte in packet:
        value = 3 * byte - value
    assert value == 60
    assert run(got.insns, packet) == 96
    assert run(got.insns, packet[:-1] + b"\0") == 0


def test_too_many_instructions() -> None:
    with pytest.raises(CodeSizeError) as caught:
        classic('text "the filter"\n' + chain(4200))
    assert caught.value.message.startswith("classic BPF needs 42")
    assert caught.value.message.endswith("instructions, of which the kernel takes 4096")
    assert caught.value.span == Span(0, 10)
    assert "eBPF" in caught.value.hint


def test_a_set_that_is_too_big_is_refused_at_once() -> None:
    members = " ".join(str(2 * i) for i in range(100_000))
    with pytest.raises(CodeSizeError, match="more than 100000 instructions"):
        classic(
            f"entry:\n  a = load4 0\n  if a in {{ {members} }} goto yes else no\n" + dedent(RETURNS)
        )


def test_too_many_joins() -> None:
    joins = range(17)
    text = "\n".join(
        [
            "entry:\n  a = load1 0\n  if a == 1 goto left else right",
            "left:",
            *(f"  j{i} = {i}" for i in joins),
            "  goto end\nright:",
            *(f"  j{i} = {i + 1}" for i in joins),
            "  goto end\nend:\n  sum0 = j0 + 1",
            *(f"  sum{i + 1} = sum{i} * j{i}" for i in joins),
            "  if sum17 == 4 goto yes else no",
            dedent(RETURNS),
        ]
    )
    with pytest.raises(CodeSizeError, match="more intermediate values than the 16 words"):
        classic(text)


def test_what_there_is_no_room_for_is_computed_again() -> None:
    # Twenty values of twenty instructions each, all of them used twice.
    lines, total = ["entry:", "  s0 = load1 0"], "s0"
    for i in range(20):
        lines.append(f"  v{i}.0 = load1 {i}")
        lines += [f"  v{i}.{j + 1} = v{i}.{j} * {j + 3}" for j in range(20)]
    for i in range(40):
        lines.append(f"  s{i + 1} = {total} + v{i % 20}.20")
        total = f"s{i + 1}"
    got = classic("\n".join([*lines, f"  if {total} == 0 goto yes else no", dedent(RETURNS)]))
    assert 40 * 20 < len(got.insns) < 40 * 25
    assert run(got.insns, bytes(20)) == 96
    assert run(got.insns, bytes(19)) == 0


def test_joins_that_do_not_live_together_share_a_word() -> None:
    lines = ["entry:", "  x = load1 0", "  goto d0"]
    for i in range(40):
        lines += [
            f"d{i}:\n  if x == {i} goto l{i} else r{i}",
            f"l{i}:\n  j{i} = 7\n  goto m{i}",
            f"r{i}:\n  j{i} = {i}\n  goto m{i}",
            f"m{i}:\n  y{i} = load1 1\n  if y{i} == {i} goto no else u{i}",
            f"u{i}:\n  if j{i} == 7 goto v{i} else d{i + 1}",
            f"v{i}:\n  if y{i} == 99 goto yes else d{i + 1}",
        ]
    got = classic("\n".join([*lines, "d40:\n  goto no", dedent(RETURNS)]))
    assert {insn.k for insn in got.insns if insn.code == Op.ST} == {0}
    assert run(got.insns, bytes((33, 99))) == 96
    assert run(got.insns, bytes((33, 98))) == 0


def test_a_join_that_is_assigned_for_nothing_overwrites_nothing() -> None:
    got = classic(
        """
        entry:
          a = load1 0
          if a == 1 goto left else right
        left:
          j = 11
          goto middle
        right:
          j = 12
          goto middle
        middle:
          b = load1 1
          if b == 1 goto idle else busy
        idle:
          k = 13
          c = load1 2
          if c == 1 goto no else uses.j
        busy:
          k = 14
          d = load1 3
          if d == 1 goto no else uses.k
        uses.j:
          if j == 12 goto yes else no
        uses.k:
          if k == 14 goto yes else no
        """
        + RETURNS
    )
    for packet, verdict in ((b"\0\1\0\0", 96), (b"\1\1\0\0", 0), (b"\1\2\0\0", 96)):
        assert run(got.insns, packet) == verdict, packet
