"""From text to a Spec: the whole compiler, read as the list of its passes.

Pure: no file descriptor, no privilege, no kernel. Name look-ups go through the injected resolver.
Depends on expr, ir, codegen, spec.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from netbpf.expr.environment import Environment
from netbpf.expr.lower import lower
from netbpf.expr.names import Resolver, SystemResolver
from netbpf.expr.nodes import Dialect, Expr, Identifier
from netbpf.expr.parser import parse
from netbpf.expr.resolve import resolve
from netbpf.ir.passes import optimise
from netbpf.ir.program import Program, Return, Verdict
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass, field
from netbpf.spec import Action, ClassicFilter, Key, ProgramSpec, Target

if TYPE_CHECKING:
    from netbpf.btf.skb import SkBuff

_F = TypeVar("_F", bound=Callable[..., object])


def _uncollected(compiling: _F) -> _F:
    """Compile with Python's search for garbage in cycles paused, and as before afterwards.

    A large expression is a million objects, none of them garbage while it is compiled: to look
    through them again and again takes longer than the rest.
    """

    @wraps(compiling)
    def paused(*args: object, **kwargs: object) -> object:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return compiling(*args, **kwargs)
        finally:
            if enabled:
                gc.enable()

    return paused  # type: ignore[return-value]  # called and returning like the function itself


MAXIMUM_SNAPLEN = 262144
"""What a classic filter returns for a match: libpcap's MAXIMUM_SNAPLEN (pcap-int.h), bytes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What an expression is compiled with, beside its text.

    `netmask` is IPv4 in host byte order, for `ip broadcast`. `sets` gives `@name` its elements.
    `live` compiles a classic filter for a live interface, where the kernel keeps the outermost VLAN
    tag beside the packet; eBPF targets always do what their hook needs.
    """

    dialect: Dialect = Dialect.NETBPF
    linktype: LinkType = LinkType.EN10MB
    netmask: int | None = None
    snaplen: int = MAXIMUM_SNAPLEN
    optimise: bool = True
    live: bool = False
    resolver: Resolver = field(default_factory=SystemResolver)
    sets: Mapping[str, Sequence[Identifier]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lowered:
    """An expression's meaning: its resolved tree, its program, and what to warn of."""

    expr: Expr | None
    program: Program
    warnings: tuple[str, ...]


@_uncollected
def to_ir(text: str, options: Options | None = None, target: Target = Target.CBPF) -> Lowered:
    """Compile `text` to the IR that `target` runs. Raises ExpressionError."""
    options = options or Options()
    parsed = parse(text, dialect=options.dialect, gather=options.optimise)
    expr = resolve(
        parsed,
        text=text,
        dialect=options.dialect,
        linktype=options.linktype,
        resolver=options.resolver,
        sets=options.sets,
    )
    program = lower(expr, environment(text, options, target))
    simple = optimise(program)
    warnings = () if _can_match(simple) else ("the expression rejects all packets",)
    chosen = simple if options.optimise else program
    verify(chosen)
    return Lowered(expr, chosen, warnings)


@_uncollected
def compile(  # noqa: A001 - the name that the API promises
    text: str,
    *,
    target: Target = Target.CBPF,
    options: Options | None = None,
    frags: bool = True,
    buff: SkBuff | None = None,
) -> ClassicFilter | ProgramSpec:
    """Compile `text` to code that tells a match from no match and does nothing else.

    A classic filter returns the snap length or 0; an XDP or tc program drops what matches; a socket
    program returns like a classic filter. `frags`, `buff` as for compile_filter.
    Raises ExpressionError.
    """
    options = options or Options()
    if target is Target.CBPF:
        return compile_classic(text, options)
    lowered = to_ir(text, options, target)
    from netbpf.codegen import ebpf
    from netbpf.codegen.hooks import hook_for

    return ebpf.generate(
        lowered.program,
        hook_for(target, frags=frags, buff=buff),
        action=Action.DROP,
        counting=False,
        linktype=options.linktype,
        snaplen=options.snaplen,
        warnings=lowered.warnings,
    )


@_uncollected
def compile_classic(text: str, options: Options | None = None) -> ClassicFilter:
    """Compile `text` to classic BPF. Raises ExpressionError, CodeSizeError."""
    from netbpf.codegen import cbpf

    options = options or Options()
    lowered = to_ir(text, options, Target.CBPF)
    return cbpf.generate(
        lowered.program,
        linktype=options.linktype,
        snaplen=options.snaplen,
        stripped_tags=options.live,
        warnings=lowered.warnings,
    )


@_uncollected
def compile_filter(
    text: str,
    *,
    target: Target,
    action: Action = Action.COUNT,
    by: Sequence[Key] = (),
    name: str = "netbpf",
    options: Options | None = None,
    frags: bool = True,
    cpus: int | None = None,
    buff: SkBuff | None = None,
) -> ProgramSpec:
    """Compile `text` to a program that counts what matches, in total and by each key.

    `frags` makes XDP programs read multi-buffer packets (Linux 5.18). `cpus` makes counting cheaper
    on machines whose CPUs all have numbers below it; None: any machine. `buff`, which is the
    running kernel's (kernel.buff), makes socket programs read it directly. Raises ExpressionError.
    """
    from netbpf.codegen import ebpf
    from netbpf.codegen.hooks import hook_for
    from netbpf.expr.lower.keys import lower_key

    options = options or Options()
    lowered = to_ir(text, options, target)
    env = environment(text, options, target)
    return ebpf.generate(
        lowered.program,
        hook_for(target, frags=frags, buff=buff),
        action=action,
        keys={key: optimise(lower_key(key, env)) for key in by},
        linktype=options.linktype,
        name=name,
        cpus=cpus,
        warnings=lowered.warnings,
    )


def environment(text: str, options: Options, target: Target) -> Environment:
    """Return the circumstances that `target` gives an expression."""
    at_skb = target in (Target.TC, Target.TC_EGRESS, Target.SOCKET)
    return Environment(
        text=text,
        dialect=options.dialect,
        linktype=options.linktype,
        netmask=options.netmask,
        stripped_tags=at_skb or (options.live and target is Target.CBPF),
        live=options.live or target is not Target.CBPF,
        reuse=options.optimise,
        roomy=target is not Target.CBPF and options.optimise,
    )


def _can_match(program: Program) -> bool:
    """Whether the (optimised) program has a way to match."""
    return any(
        isinstance(block.term, Return) and block.term.verdict is Verdict.MATCH for block in program
    )
