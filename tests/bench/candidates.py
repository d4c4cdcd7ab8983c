"""What is timed against each other for an expression, and that all of it means the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netbpf import compiler
from netbpf.asm import cbpf
from netbpf.compiler import Options
from netbpf.errors import CodeSizeError
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.kernel import buff
from netbpf.objects import Program
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import XdpAction
from tests.bench import clang
from tests.bench.expressions import Expression
from tests.bench.translate import translated
from tests.support.libpcap import Libpcap

NETBPF, CLANG, CLASSIC = "netbpf", "clang -O2", "cBPF 1:1"
OWN, OWN_CLANG = "netbpf, own dialect", "clang, own dialect"
EBPF, OWN_CBPF, LIBPCAP = "netbpf eBPF", "netbpf cBPF", "libpcap cBPF"
_PCAP = Options(dialect=Dialect.PCAP)


@dataclass(frozen=True)
class Candidates:
    """Programs and filters by name. `linear` has the sizes without code for several buffers.

    `sockets` lacks what is too long for a socket, and libpcap's filter for an expression about
    tags: compiled without an interface, it does not look beside the packet.
    """

    xdp: Mapping[str, ProgramSpec]
    tc: Mapping[str, ProgramSpec]
    sockets: Mapping[str, Sequence[cbpf.Insn] | ProgramSpec]
    linear: Mapping[str, int]


def candidates(
    expression: Expression, tool: str | None, libpcap: Libpcap | None, folder: Path
) -> Candidates:
    """Compile an expression in every way; without clang and libpcap there is netbpf alone."""
    text, own = expression.text, Options()
    by_clang = clang.compiled(tool, expression, folder) if tool else {}
    theirs = libpcap.compile(text, optimise=True) if libpcap else ()
    xdp = {NETBPF: _ebpf(text, Target.XDP, _PCAP)}
    if by_clang:
        xdp[CLANG] = by_clang["pcap"]
    if theirs:
        xdp[CLASSIC] = translated(theirs, text)
    xdp[OWN] = _ebpf(text, Target.XDP, own)
    if by_clang:
        xdp[OWN_CLANG] = by_clang["netbpf"]
    silent = Options(dialect=Dialect.PCAP, snaplen=0, live=True)
    sockets: dict[str, Sequence[cbpf.Insn] | ProgramSpec] = {
        EBPF: _ebpf(text, Target.SOCKET, silent)
    }
    with suppress(CodeSizeError):
        sockets[OWN_CBPF] = compiler.compile_classic(text, silent).insns
    if 0 < len(theirs) <= cbpf.MAX_INSNS and "vlan" not in text:
        sockets[LIBPCAP] = theirs
    return Candidates(
        xdp=xdp,
        tc={NETBPF: _ebpf(text, Target.TC, _PCAP), OWN: _ebpf(text, Target.TC, own)},
        sockets=sockets,
        linear={
            NETBPF: len(_ebpf(text, Target.XDP, _PCAP, frags=False).insns),
            OWN: len(_ebpf(text, Target.XDP, own, frags=False).insns),
        },
    )


def verdicts(text: str, dialect: Dialect, frames: Mapping[str, bytes]) -> dict[str, bool]:
    """Return what the interpreter says of each frame."""
    run = Machine(compiler.to_ir(text, Options(dialect=dialect)).program).run
    return {name: run(Packet(data)) is Verdict.MATCH for name, data in frames.items()}


def disagreements(
    specs: Mapping[str, ProgramSpec], text: str, frames: Mapping[str, bytes]
) -> list[str]:
    """Return the XDP programs that judge a frame otherwise than the interpreter: none should."""
    wanted = {
        dialect: verdicts(text, dialect, frames) for dialect in (Dialect.PCAP, Dialect.NETBPF)
    }
    wrong = []
    for name, spec in specs.items():
        expected = wanted[Dialect.NETBPF if name in (OWN, OWN_CLANG) else Dialect.PCAP]
        with Program.load(spec) as program:
            wrong += [
                f"{name}: {text}: {frame}"
                for frame, data in frames.items()
                if (program.test_run(data).retval == XdpAction.DROP) != expected[frame]
            ]
    return wrong


def _ebpf(text: str, target: Target, options: Options, *, frags: bool = True) -> ProgramSpec:
    found = buff.readable() if target is Target.SOCKET else None
    spec = compiler.compile(text, target=target, options=options, frags=frags, buff=found)
    assert isinstance(spec, ProgramSpec)
    return spec
