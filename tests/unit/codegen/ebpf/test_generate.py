"""Whole programs: what is in them and what is not; the verdicts are tested in differential."""

from __future__ import annotations

import struct
from textwrap import dedent

import pytest

from netbpf.asm.disasm import listing
from netbpf.codegen.ebpf import generate, ranges
from netbpf.codegen.hooks import Hook, hook_for
from netbpf.errors import CodeSizeError, Span
from netbpf.ir.arithmetic import compare, compute
from netbpf.ir.program import AluOp, Cmp, Program
from netbpf.ir.text import parse
from netbpf.objects import Program as LoadedProgram
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from netbpf.spec import Action, ProgramSpec, Target
from netbpf.uapi.bpf import ProgFlag
from tests.support.ebpf_vm import BUFF, Vm
from tests.support.programs import FRAGS

ENDING = "\nyes:\n  match\nno:\n  no match"
ETHERTYPE = parse("entry:\n  a = load2 12 @ 0:2\n  if a == 0x800 goto yes else no @ 0:2" + ENDING)
XDP, TC, SOCKET = hook_for(Target.XDP), hook_for(Target.TC), hook_for(Target.SOCKET)
DIRECT = hook_for(Target.SOCKET, buff=BUFF)


def bare(program: Program, target: Target = Target.XDP, *, frags: bool = True) -> ProgramSpec:
    hook = hook_for(target, frags=frags)
    return generate(program, hook, action=Action.DROP, counting=False)


def code(spec: ProgramSpec) -> str:
    return "\n".join(line[11:] for line in listing(spec.insns, dict(spec.map_refs)))


def test_a_program_without_loads_is_nothing_but_its_verdict() -> None:
    assert code(bare(parse("entry:\n  match"))) == dedent(
        """\
        r6 = r1
        r0 = 1
        exit"""
    )


def test_without_fragments_there_is_one_version() -> None:
    assert code(bare(ETHERTYPE, frags=False)) == dedent(
        """\
        r6 = r1
        r7 = *(u32 *)(r6 +0)
        r8 = *(u32 *)(r6 +4)
        r0 = r7
        r0 += 14
        if r0 > r8 goto pc+4
        r2 = *(u16 *)(r7 +12)
        if r2 == 0x8 goto pc+4
        r0 = 2
        exit
        r0 = 2
        exit
        r0 = 1
        exit"""
    )


def test_with_fragments_a_second_version_copies() -> None:
    assert code(bare(ETHERTYPE)) == dedent(
        """\
        r6 = r1
        r7 = *(u32 *)(r6 +0)
        r8 = *(u32 *)(r6 +4)
        r0 = r7
        r0 += 14
        if r0 > r8 goto pc+4
        r2 = *(u16 *)(r7 +12)
        if r2 == 0x8 goto pc+20
        r0 = 2
        exit
        r1 = r6
        call bpf_xdp_get_buff_len#188
        if r0 > 0xffff goto pc+2
        r7 += r0
        if r7 <= r8 goto pc+11
        r2 = 12
        r1 = r6
        r3 = r10
        r3 += -16
        r4 = 2
        call bpf_xdp_load_bytes#189
        if r0 != 0x0 goto pc+4
        r2 = *(u16 *)(r10 -16)
        if r2 == 0x8 goto pc+4
        r0 = 2
        exit
        r0 = 2
        exit
        r0 = 1
        exit"""
    )


def test_sockets_load_absolutely_and_give_bytes() -> None:
    spec = generate(ETHERTYPE, SOCKET, counting=False, snaplen=96)
    assert code(spec) == dedent(
        """\
        r6 = r1
        r0 = *(u16 *)skb[12]
        r2 = r0
        if r2 == 0x800 goto pc+2
        r0 = 0
        exit
        r0 = 96
        exit"""
    )


def test_a_spec_is_complete() -> None:
    program = replace(ETHERTYPE, text="ip")
    spec = generate(program, XDP, linktype=LinkType.EN10MB, name="mine", warnings=["careful"])
    assert (spec.name, spec.text, spec.warnings) == ("mine", "ip", ("careful",))
    assert (spec.target, spec.action) == (Target.XDP, Action.COUNT)
    assert (spec.type, spec.attach_type, spec.flags) == (
        XDP.type,
        XDP.attach_type,
        ProgFlag.XDP_HAS_FRAGS,
    )
    assert spec.license == "Dual BSD/GPL"
    assert len(spec.spans) == len(spec.insns)
    assert set(spec.spans) == {None, Span(0, 2)}
    assert spec == generate(
        program, XDP, linktype=LinkType.EN10MB, name="mine", warnings=["careful"]
    )


def test_each_instruction_knows_the_text_that_it_came_from() -> None:
    spec = bare(ETHERTYPE, frags=False)
    assert [span == Span(0, 2) for span in spec.spans] == [False] * 3 + [True] * 5 + [False] * 6


def test_an_offset_far_outside_is_no_match() -> None:
    for offset in (0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF):
        program = parse(f"entry:\n  a = load1 {offset:#x}\n  match")
        for target in (Target.XDP, Target.TC, Target.SOCKET):
            spec = bare(program, target)
            assert Vm(spec).run(bytes(100)) == Vm(spec).run(b""), hex(offset)


@pytest.mark.parametrize("target", [Target.XDP, Target.TC, Target.SOCKET])
def test_far_offsets_are_read(target: Target) -> None:
    program = parse(
        "entry:\n  a = load1 40000\n  b = a & 0xf\n  c = load2 b + 50000\n"
        "  if c == 0x1234 goto yes else no" + ENDING
    )
    vm = Vm(bare(program, target))
    data = bytearray(60000)
    data[40000], data[50002:50004] = 0xF2, b"\x12\x34"
    assert len({vm.run(bytes(data), linear=linear) for linear in (60000, 50003, 100)}) == 1
    assert vm.run(bytes(data)) != vm.run(bytes(60000))


ENDS = [
    ("  a = load2 {}", 2),  # code that needs what ends so far behind its offset
    ("  a = load1 {}", 1),
    ("  s = load1 0\n  a = load4 s + {}", 4 + 3),  # the first byte is 3
    ("  w = load4 0\n  x = w - 0x2ffffff\n  a = load2 x + {}", 2 + 1),  # x is 1, for all we know
    ("  bound {}", 0),
    ("  s = load1 0\n  bound s + {}", 3),
    ("  w = load4 0\n  x = w - 0x2ffffff\n  bound x + {}", 1),
]


@pytest.mark.parametrize("hook", [XDP, hook_for(Target.XDP, frags=False), TC, SOCKET, DIRECT])
@pytest.mark.parametrize("offset", [10, 0x7FFE, 0x7FFF, 0x8000, 60_000])
@pytest.mark.parametrize(("insns", "needed"), ENDS)
def test_the_last_byte_decides(hook: Hook, offset: int, insns: str, needed: int) -> None:
    program = parse(f"entry:\n{insns.format(offset)}\n  match")
    vm = Vm(generate(program, hook, action=Action.DROP, counting=False))
    match = vm.run(b"\3\0\0\0".ljust(70_000, b"\0"))
    for end in (offset + needed - 1, offset + needed, offset + needed + 1):
        for linear in [end] if hook.load_bytes is None else [4, end]:
            matches = vm.run(b"\3\0\0\0".ljust(end, b"\0"), linear=linear) == match
            assert matches == (end >= offset + needed), (end, linear)


@pytest.mark.parametrize("hook", [XDP, TC, SOCKET, DIRECT])
@pytest.mark.parametrize("end", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("base", ["", "w + "])
def test_a_bound_beyond_all_packets_holds_for_none(hook: Hook, end: int, base: str) -> None:
    program = parse(f"entry:\n  w = load4 0\n  bound {base}{end:#x}\n  match")
    vm = Vm(generate(program, hook, action=Action.DROP, counting=False))
    codes = {vm.run(first.ljust(100, b"\0")) for first in (b"", b"\xff" * 4, b"\x80", b"\x7f")}
    assert codes == {vm.run(b"")}


@pytest.mark.parametrize("linear", [100, 10])
@pytest.mark.parametrize("target", [Target.XDP, Target.TC, Target.SOCKET])
def test_a_blurred_join_keeps_its_value(
    target: Target, linear: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """14, 18 and 22 are hidden from the verifier; 31 is what it knows of them."""
    monkeypatch.setattr(ranges, "_FEW_JOINS", 0)
    program = parse(
        "entry:\n  a = load1 0\n  if a == 1 goto one else other\n"
        "one:\n  j = 18\n  goto both\n"
        "other:\n  if a == 2 goto two else none\n"
        "two:\n  j = 22\n  goto both\nnone:\n  j = 14\n  goto both\n"
        "both:\n  b = load1 j + 0\n  c = j + b\n  if c == 0x23 goto yes else no" + ENDING
    )
    vm = Vm(bare(program, target))
    data = bytes(14) + bytes([21, 0, 0, 0, 17, 0, 0, 0, 13]) + bytes(77)  # each makes 35
    other = bytes([3, *data[1:14], 22, *data[15:]])
    results = [vm.run(bytes([first, *data[1:]]), linear=linear) for first in (0, 1, 2)]
    assert len(set(results)) == 1
    assert vm.run(other, linear=linear) != results[0]


NUMBERS = (0, 1, 2, 7, 31, 32, 33, 0xFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@pytest.mark.parametrize("kept", ["", "a", "b", "ab"])
@pytest.mark.parametrize("op", list(AluOp))
def test_arithmetic(op: AluOp, kept: str) -> None:
    """Of two values, each of them needed afterwards or not."""
    lines = f"  a = load4 0\n  b = load4 4\n  r = a {op.value} b\n"
    last = "r"
    for value in kept:
        lines += f"  {value}1 = {last} ^ {value}\n  {value}2 = {value}1 ^ {value}\n"
        last = f"{value}2"
    end = f"  e = load4 8\n  if {last} == e goto yes else no"
    for hook in (XDP, SOCKET):
        program = parse(f"entry:\n{lines}{end}{ENDING}")
        vm = Vm(generate(program, hook, action=Action.DROP, counting=False))
        no_match = vm.run(b"")
        for a in NUMBERS:
            for b in NUMBERS:
                result = compute(op, a, b)
                data = struct.pack(">III", a, b, result or 0)
                assert (vm.run(data) != no_match) == (result is not None), (a, b)
                assert vm.run(struct.pack(">III", a, b, (result or 0) ^ 1)) == no_match


@pytest.mark.parametrize("op", list(AluOp))
def test_arithmetic_with_a_constant(op: AluOp) -> None:
    for b in NUMBERS:
        if b == 0 and op in (AluOp.DIV, AluOp.MOD):
            continue
        code_ = f"  a = load4 0\n  r = a {op.value} {b:#x}\n  e = load4 4\n"
        program = parse(f"entry:\n{code_}  if r == e goto yes else no{ENDING}")
        vm = Vm(bare(program))
        for a in NUMBERS:
            result = compute(op, a, b)
            assert result is not None
            assert vm.run(struct.pack(">II", a, result)) == XDP.drop, (a, b)
            assert vm.run(struct.pack(">II", a, result ^ 1)) == XDP.accept, (a, b)


@pytest.mark.parametrize("op", list(Cmp))
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_comparisons(op: Cmp, constant: bool, inverted: bool) -> None:
    ways = "no else yes" if inverted else "yes else no"
    for b in NUMBERS:
        other = f"{b:#x}" if constant else "b"
        program = parse(
            "entry:\n  a = load4 0\n  b = load4 4\n  c = a + 0\n  d = b + 0\n"
            f"  if a {op.value} {other} goto {ways}{ENDING}"
        )
        vm = Vm(bare(program))
        for a in NUMBERS:
            expected = compare(op, a, b) != inverted
            assert (vm.run(struct.pack(">II", a, b)) == XDP.drop) == expected, (a, b)


def test_an_offset_from_the_stack_is_compared() -> None:
    """Verifiers before 5.16 forget what they knew of it."""
    loads = "".join(f"  v{n} = load1 {n}\n" for n in range(9))
    sums = "  s0 = v0\n" + "".join(f"  s{n} = s{n - 1} + v{n}\n" for n in range(1, 9))
    program = parse(
        f"entry:\n  b = load1 0\n  x = load1 b + 3\n{loads}{sums}"
        "  y = s8 + x\n  z = y + b\n  if z == 5 goto yes else no" + ENDING
    )
    shown = code(bare(program, frags=False))
    assert "if r0 > 0xffff goto" in shown


def chain(count: int) -> Program:
    """Return a program that compares a value with so many others, one by one."""
    blocks = "".join(
        f"b{n}:\n  if a == {2 * n + 1:#x} goto yes else b{n + 1}\n" for n in range(count)
    )
    return parse(f"entry:\n  a = load4 0\n  goto b0\n{blocks}b{count}:\n  no match\nyes:\n  match")


def test_jumps_in_long_programs_arrive() -> None:
    vm = Vm(bare(chain(15_000)))
    assert [vm.run((2 * n + 1).to_bytes(4, "big")) for n in (0, 7, 14_999)] == [XDP.drop] * 3
    assert vm.run((14_998).to_bytes(4, "big")) == XDP.accept
    assert vm.run((2 * 14_999 + 1).to_bytes(4, "big"), linear=2) == XDP.drop


def test_more_values_than_the_stack_holds() -> None:
    loads = "".join(f"  a{n} = load1 {n}\n" for n in range(100))
    sums = "".join(f"  s{n + 1} = s{n} + a{n}\n" for n in range(100))
    program = parse(f"entry:\n{loads}  s0 = 0\n{sums}  if s100 == 5 goto yes else no" + ENDING)
    with pytest.raises(CodeSizeError, match="more values at once") as caught:
        bare(replace(program, text="too much"))
    assert caught.value.span == Span(0, 8)


@pytest.mark.root
@pytest.mark.parametrize("target", [Target.XDP, Target.TC, Target.SOCKET])
def test_the_verifier_takes_long_programs(target: Target) -> None:
    """More comparisons in a row than the verifier is ready to put off."""
    LoadedProgram.load(bare(chain(15_000), target, frags=FRAGS)).close()
