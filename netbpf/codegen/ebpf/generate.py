"""From the IR to an eBPF program for a hook.

    r6 = ctx
    the eager version, for most packets    ─┐ what it is not for begins anew
    the filter, reading bytes directly     ─┐ a bounds check fails: is there more than the
    the filter, copying bytes              ←┘ linear part? else no match
    the keys to count by, likewise
    counting, the verdict

The second version of the filter costs nothing where the first can see the whole packet. To begin
anew is sound because a filter has no effect before its verdict.
Depends on asm, ir, spec and the rest of codegen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbpf.asm import ebpf
from netbpf.asm.assembler import Assembler, Code, JumpTooLongError, Label
from netbpf.asm.ebpf import FRAME_POINTER, Jmp
from netbpf.codegen.ebpf import cells, counters
from netbpf.codegen.ebpf.access import DATA, DATA_END, Classic, Copying, Direct, Untracked
from netbpf.codegen.ebpf.eager import eager
from netbpf.codegen.ebpf.emit import Setting, emit
from netbpf.codegen.ebpf.ranges import blurred
from netbpf.codegen.ebpf.sets import Tables, is_table
from netbpf.codegen.ebpf.stack import ZERO, Frame
from netbpf.codegen.ebpf.webs import split_webs
from netbpf.codegen.hooks.hook import CTX, Hook, LinearPart
from netbpf.errors import CodeSizeError, IrError, Span, UsageError
from netbpf.ir.passes.expand_members import expand_members
from netbpf.ir.passes.skip_implied import skip_implied
from netbpf.ir.passes.unreachable import drop_unreachable
from netbpf.ir.program import U32, MetaField, Program
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass, replace
from netbpf.spec import Action, CounterLayout, Key, MapSpec, ProgramSpec, Target

SNAPLEN = 262144  # bytes of a matching packet that a socket is given, if not told otherwise
CAPACITY = 65536  # entries of a table that evicts
_MOST_INSNS = 1_000_000  # BPF_COMPLEXITY_LIMIT_INSNS
_MOST_PUT_OFF = 8000  # jumps; the verifier refuses at 8,193 (BPF_COMPLEXITY_LIMIT_JMP_SEQ)


def generate(  # noqa: PLR0913 - what a program is made from, and each has a default
    program: Program,
    hook: Hook,
    *,
    action: Action = Action.COUNT,
    counting: bool = True,
    keys: Mapping[Key, Program] | None = None,
    linktype: LinkType = LinkType.EN10MB,
    snaplen: int = SNAPLEN,
    name: str = "netbpf",
    capacity: int = CAPACITY,
    cpus: int | None = None,
    warnings: Sequence[str] = (),
) -> ProgramSpec:
    """Generate the program that does `action` with what matches, and counts it.

    `keys` are programs whose outputs packets are counted by, in tables of which those that evict
    hold `capacity` entries. It runs on CPUs below `cpus`, or on any where that is None
    (codegen.ebpf.cells). Without `counting` a socket program returns `snaplen` or 0.
    Raises CodeSizeError, and UsageError where the hook cannot do the action.
    """
    program = replace(program, outputs=())
    tables = Tables(program.text)
    quick = eager(program, tables) if hook.linear is not None else None
    keys = {key: _prepared(lookup, hook) for key, lookup in (keys or {}).items()}
    if counting and hook.target is Target.SOCKET and action is not Action.COUNT:
        raise UsageError(f"a socket filter only observes: it cannot {action.value} packets")
    if keys and not counting:
        raise UsageError("there is nothing to count by when nothing is counted")
    for key, lookup in keys.items():
        if len(lookup.outputs) != counters.KEY_WORDS[key]:
            raise IrError(f"a key of {len(lookup.outputs)} words for {key.value}")
    layout = counters.layout(tuple(keys), capacity) if counting else None
    counted = _Counted(layout, cells.choose(layout, cpus)) if layout else None
    plan = _Plan(
        quick=None if quick is None else _prepared(quick, hook),
        program=_prepared(program, hook),
        hook=hook,
        action=action,
        keys=keys,
        counted=counted,
        snaplen=snaplen,
        tables=tables,
    )
    code = _assemble(plan)
    return ProgramSpec(
        name=name,
        type=hook.type,
        attach_type=hook.attach_type,
        insns=code.insns,
        maps=(*(counted.maps() if counted else ()), *plan.tables.maps),
        map_refs=code.map_refs,
        flags=hook.flags,
        text=program.text,
        spans=code.spans,
        target=hook.target,
        action=action,
        linktype=linktype,
        counters=layout,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """What is counted, and where."""

    layout: CounterLayout
    cells: cells.Cells

    def maps(self) -> tuple[MapSpec, ...]:
        return counters.maps(self.layout, self.cells)


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that code is made from. `quick` is the eager version of the program, if there is one."""

    quick: Program | None
    program: Program
    hook: Hook
    action: Action
    keys: Mapping[Key, Program]
    counted: _Counted | None
    snaplen: int
    tables: Tables

    @property
    def codes(self) -> tuple[int, int]:
        """What the program returns for a match, and else."""
        accept, drop = self.hook.accept, self.hook.drop
        if self.counted is None and self.hook.target is Target.SOCKET:
            return self.snaplen, 0
        return {
            Action.COUNT: (accept, accept),
            Action.DROP: (drop, accept),
            Action.PASS: (accept, drop),
        }[self.action]


def _assemble(plan: _Plan) -> Code:
    code = _code(plan, shallow=False)
    if code.put_off() > _MOST_PUT_OFF:
        code = _code(plan, shallow=True)
    if len(code.insns) > _MOST_INSNS:
        raise _too_large(plan.program)
    return code


def _code(plan: _Plan, *, shallow: bool) -> Code:
    asm = Assembler(shallow=shallow)
    try:
        _emit(asm, plan)
        return asm.finish()
    except JumpTooLongError:
        raise _too_large(plan.program) from None


def _emit(asm: Assembler, plan: _Plan) -> None:
    frame = Frame(tuple(counters.KEY_WORDS[key] for key in plan.keys))
    match, no_match = asm.label(), asm.label()
    asm.emit(ebpf.mov_reg(CTX, 1))
    on_match, on_no_match = (code & U32 for code in plan.codes)
    counted = plan.counted
    codes = {} if counted is not None and plan.action is Action.PASS else {no_match: on_no_match}
    if counted is None:
        codes[match] = on_match
    _filter(asm, plan, Setting(plan.hook, match, no_match, frame, plan.tables, codes=codes))
    asm.span = None
    asm.place(no_match)
    if counted is not None and plan.action is Action.PASS:
        counters.count_dropped(asm, counted.layout, counted.cells)
    _leave(asm, on_no_match)
    asm.place(match)
    if counted is not None:
        _emit_keys(asm, plan, counted.layout, frame)
        dropped = plan.action is Action.DROP
        counters.count_match(asm, plan.hook, counted.layout, counted.cells, frame, dropped=dropped)
    _leave(asm, on_match)


def _filter(asm: Assembler, plan: _Plan, setting: Setting) -> None:
    """Emit the filter in all its versions."""
    hidden = any(map(blurred, plan.keys.values()))
    if hidden:
        _hide_zero(asm, plan.hook)
    if plan.quick is not None and plan.hook.linear is not None:
        exact = asm.label()
        emit(asm, plan.quick, _direct(plan.hook, plan.hook.linear, exact), setting)
        asm.span = None
        asm.place(exact)
    if blurred(plan.program) and not hidden:
        _hide_zero(asm, plan.hook)
    _versions(asm, plan.program, setting, may_end=True)


def _hide_zero(asm: Assembler, hook: Hook) -> None:
    """Leave a 0 on the stack that the verifier takes for any number; see codegen.ebpf.ranges.

    It is a number that is not known, and the same number, in a bitwise exclusive or.
    """
    asm.emit(*hook.meta[MetaField.IFINDEX](0), ebpf.mov_reg(1, 0))
    asm.emit(ebpf.alu64_reg(ebpf.Alu.XOR, 1, 0), ebpf.store(8, FRAME_POINTER, ZERO, 1))


def _emit_keys(asm: Assembler, plan: _Plan, layout: CounterLayout, frame: Frame) -> None:
    """Put every key on the stack."""
    for index, (table, program) in enumerate(zip(layout.tables, plan.keys.values(), strict=True)):
        found, none = asm.label(), asm.label()
        setting = Setting(plan.hook, found, none, frame, plan.tables, frame.key(index))
        _versions(asm, program, setting, may_end=False)
        asm.span = None
        asm.place(none)
        counters.set_no_key(asm, table, frame.key(index))
        asm.place(found)


def _versions(asm: Assembler, program: Program, setting: Setting, *, may_end: bool) -> None:
    """Emit a program so that it reads whatever is in the packet.

    `may_end`: where a hook has LD_ABS, a load outside the packet may end everything with 0.
    After a match that must not be; without one nothing is left to do at such hooks.
    """
    hook = setting.hook
    if hook.linear is not None:
        short = asm.label() if hook.load_bytes else setting.no_match
        emit(asm, program, _direct(hook, hook.linear, short), setting)
        if hook.load_bytes is None:
            return
        asm.span = None
        asm.place(short)
        if not asm.open:
            return
        _go_on_if_paged(asm, setting)
    if may_end and hook.target is Target.SOCKET:
        emit(asm, program, Classic(setting.no_match), setting)
        return
    assert hook.load_bytes is not None
    emit(asm, program, Copying(hook.load_bytes, setting.no_match), setting)


def _direct(hook: Hook, linear: LinearPart, short: Label) -> Direct | Untracked:
    """Return the way to read the linear part at a hook."""
    return (Direct if hook.tracked else Untracked)(linear, short)


def _go_on_if_paged(asm: Assembler, setting: Setting) -> None:
    """Go on if the packet has more bytes than [r7, r8), else there is no match."""
    paged = asm.label()
    asm.emit(*setting.hook.buffer_length(0))
    asm.jump_if(ebpf.jump_imm(Jmp.JGT, 0, 0xFFFF), paged)
    asm.emit(ebpf.alu64_reg(ebpf.Alu.ADD, DATA, 0))
    asm.jump_if(ebpf.jump_reg(Jmp.JLE, DATA, DATA_END), setting.no_match)
    asm.place(paged)


def _prepared(program: Program, hook: Hook) -> Program:
    """Turn small sets into trees of comparisons, and separate the lives of values.

    Only where bytes are read directly, loads cost less than tests.
    """
    program = program if hook.linear is None else skip_implied(program)
    return split_webs(drop_unreachable(expand_members(program, keep=is_table)))


def _leave(asm: Assembler, code: int) -> None:
    asm.emit(ebpf.mov(0, code))
    asm.leave()


def _too_large(program: Program) -> CodeSizeError:
    return CodeSizeError(
        "the expression is too large for the kernel's verifier",
        text=program.text,
        span=Span(0, len(program.text)),
    )
