"""From an expression and the word of `--target` to judges, one per link type of a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netbpf.cli import output
from netbpf.cli.options import linktype_of
from netbpf.cli.request import Request
from netbpf.errors import KernelError, NetbpfError, PrivilegeError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from netbpf import ir
    from netbpf.compiler import Options
    from netbpf.observe.judge import Judge

TARGETS = ("interp", "cbpf", "xdp", "tc", "socket")


class Judges:
    """Makes a link type's judge when it is first asked for; the stack closes it."""

    def __init__(
        self, request: Request, target: str, *, source: str, snaplen: int, stack: ExitStack
    ) -> None:
        self._request, self._target = request, target
        self._source, self._snaplen, self._stack = source, snaplen, stack
        self._made: dict[int, Judge] = {}

    def __call__(self, linktype: int) -> Judge:
        """Return the judge of a LINKTYPE_ number. Raises ExpressionError, InputError."""
        judge = self._made.get(linktype)
        if judge is None:
            judge = self._stack.enter_context(self._make(linktype))
            self._made[linktype] = judge
        return judge

    def tell(self) -> None:
        """Say how many packets the kernel could not be shown."""
        count = sum(judge.interpreted for judge in self._made.values())
        if count and self._target != "interp":
            output.note(
                f"{count} packets the kernel cannot be shown as they are (too short, too long, or "
                "cut when captured); the interpreter judged them"
            )

    def _make(self, linktype: int) -> Judge:
        from netbpf import compiler

        options = self._request.options(linktype=linktype_of(linktype, self._source))
        lowered = compiler.to_ir(self._request.text, options)
        if not self._made:
            output.warn_all(lowered.warnings)
        if self._target == "interp":
            from netbpf.observe.judge import Interpreter

            return Interpreter(lowered.program)
        if self._target == "cbpf":
            from netbpf.observe.judge import SocketJudge

            code = compiler.compile_classic(self._request.text, options)
            return SocketJudge(code.insns, lowered.program)
        return self._load(options, lowered.program)

    def _load(self, options: Options, program: ir.program.Program) -> Judge:
        """Load the eBPF program of the target, and give it to the judge that can run it."""
        from netbpf import compiler
        from netbpf.codegen.hooks import hook_for
        from netbpf.objects import Program
        from netbpf.spec import ProgramSpec, Target

        target = Target(self._target)
        spec = compiler.compile(self._request.text, target=target, options=options)
        assert isinstance(spec, ProgramSpec)
        if target is Target.SOCKET:
            from netbpf.observe.judge import SocketJudge

            with Program.load(spec) as loaded:  # the socket keeps it alive
                return SocketJudge(loaded.fd, program)
        from netbpf.observe.judge_batch import BatchJudge, PacketJudge

        match_code = hook_for(target).drop
        try:
            return BatchJudge(spec, program, match_code=match_code, snaplen=self._snaplen)
        except NetbpfError:  # an old kernel, or a filter that leaves no room for the wrapper
            pass
        try:
            return PacketJudge(spec, program, match_code=match_code)
        except KernelError as error:
            if target is not Target.XDP or isinstance(error, PrivilegeError):
                raise
            # Before Linux 5.18; a packet of a test run has one buffer where none are asked for.
            old = compiler.compile(self._request.text, target=target, options=options, frags=False)
            assert isinstance(old, ProgramSpec)
            return PacketJudge(old, program, match_code=match_code)
