from __future__ import annotations

import pytest

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Code, JumpTooLongError
from netbpf.asm.ebpf import Jmp
from netbpf.errors import Span


def run(code: Code, r1: int) -> int:
    """Execute mov, ja, jeq, jne and exit; return r0."""
    r0 = at = 0
    while True:
        insn = code.insns[at]
        at += 1
        if insn.code == ebpf.leave().code:
            return r0
        if insn.code == ebpf.mov(0, 0).code:
            r0 = insn.imm
        elif insn.code == ebpf.jump().code:
            at += insn.off
        else:
            equal = r1 == insn.imm
            assert insn.code in (0x15, 0x55)
            at += insn.off if equal == (insn.code == 0x15) else 0


def switch(cases: int, filler: int, *, shallow: bool = False) -> Code:
    """Return code that gives r0 = 1000 + r1, each case far behind its test."""
    asm = Assembler(shallow=shallow)
    labels = [asm.label() for _ in range(cases)]
    for number, label in enumerate(labels):
        asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, number), label)
    asm.emit(ebpf.mov(0, 0))
    asm.leave()
    for number, label in enumerate(labels):
        asm.place(label)
        for _ in range(filler):
            asm.emit(ebpf.mov(0, 0))
        asm.emit(ebpf.mov(0, 1000 + number))
        asm.leave()
    return asm.finish()


@pytest.mark.parametrize("shallow", [False, True])
@pytest.mark.parametrize(("cases", "filler"), [(1, 0), (5, 3), (4, 40_000), (3000, 40)])
def test_every_jump_arrives(cases: int, filler: int, shallow: bool) -> None:
    code = switch(cases, filler, shallow=shallow)
    wanted = range(0, cases, max(1, cases // 10))
    assert [run(code, number) for number in wanted] == [1000 + number for number in wanted]
    assert run(code, cases) == 0


def test_islands_do_not_disturb_what_they_stand_in() -> None:
    assert len(switch(4, 40_000).insns) > 4 * 40_000 + 30_000 // 8192


def test_more_open_labels_than_islands_can_serve() -> None:
    with pytest.raises(JumpTooLongError):
        switch(40_000, 2)


def test_shallow_jumps_leave_nothing_put_off() -> None:
    conditional = [insn for insn in switch(9, 1, shallow=True).insns if insn.code in (0x15, 0x55)]
    assert [(insn.code, insn.off) for insn in conditional] == [(0x55, 1)] * 9


def test_a_jump_to_the_next_instruction_is_left_out() -> None:
    asm = Assembler()
    here = asm.label()
    asm.jump(here)
    asm.place(here)
    asm.emit(ebpf.mov(0, 0))
    asm.leave()
    assert asm.finish().insns == (ebpf.mov(0, 0), ebpf.leave())


def test_a_jump_over_which_another_leads_stays() -> None:
    asm = Assembler()
    first, second = asm.label(), asm.label()
    asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, 0), first)
    asm.emit(ebpf.mov(0, 1))
    asm.jump(second)
    asm.place(first)
    asm.place(second)
    asm.leave()
    assert run(asm.finish(), 0) == 0
    assert run(asm.finish(), 1) == 1


def test_what_cannot_be_reached_is_left_out() -> None:
    asm = Assembler()
    nobody = asm.label()
    asm.emit(ebpf.mov(0, 1))
    asm.leave()
    asm.place(nobody)
    asm.emit(ebpf.mov(0, 2))
    asm.load_map(1, "m")
    asm.leave()
    code = asm.finish()
    assert code.insns == (ebpf.mov(0, 1), ebpf.leave())
    assert code.map_refs == ()


def test_spans_and_map_references_belong_to_slots() -> None:
    asm = Assembler()
    asm.span = Span(1, 2)
    asm.load_map(1, "totals")
    asm.span = None
    asm.load_map(2, "set0", value=True)
    asm.leave()
    code = asm.finish()
    assert code.spans == (Span(1, 2), Span(1, 2), None, None, None)
    assert code.map_refs == ((0, "totals"), (2, "set0"))
    assert [code.insns[0].src, code.insns[2].src] == [1, 2]


def test_a_move_to_itself_is_left_out() -> None:
    asm = Assembler()
    asm.emit(ebpf.mov_reg(0, 0), ebpf.mov_reg(0, 1))
    asm.leave()
    assert asm.finish().insns == (ebpf.mov_reg(0, 1), ebpf.leave())


def test_unfinished_code_is_a_defect() -> None:
    asm = Assembler()
    asm.jump(asm.label())
    with pytest.raises(AssertionError):
        asm.finish()


def test_jumps_that_the_verifier_puts_off() -> None:
    assert switch(7, 1).put_off() == 7
    assert switch(7, 1, shallow=True).put_off() == 1
    asm = Assembler()
    first, second, done = asm.label(), asm.label(), asm.label()
    asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 1, 0), first)
    asm.jump(done)
    asm.place(first)  # by then the first is no longer put off
    asm.jump_if(ebpf.jump_imm(Jmp.JEQ, 2, 0), second)
    asm.place(second)
    asm.emit(ebpf.load(4, 1, 10, -4), ebpf.load(4, 1, 10, 4), ebpf.call(1))
    asm.place(done)
    asm.leave()
    assert asm.finish().put_off() == 1
