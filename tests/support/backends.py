"""One expression on every backend: the same verdict, or a test fails.

`Backends` compiles an expression for the interpreter, classic BPF, XDP, tc and the socket filter,
optimised and not, loads what the kernel runs, and asks all of them about a packet. A backend that
cannot be asked about a packet (the kernel's test run takes no frame below 14 bytes) is left out of
that answer, and `asked` counts who was.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from errno import EMSGSIZE, ENOMEM

from netbpf.codegen import cbpf, ebpf
from netbpf.codegen.hooks import Hook, hook_for
from netbpf.compiler import Options, to_ir
from netbpf.errors import CodeSizeError, KernelError
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Program, Verdict
from netbpf.kernel import buff
from netbpf.kernel.sockets import attach_program
from netbpf.objects import Program as LoadedProgram
from netbpf.records import dataclass, field, replace
from netbpf.spec import Action, Target
from tests.support.kernel_cbpf import KernelFilter
from tests.support.programs import FRAGS

XDP_DROP, XDP_PASS = 1, 2  # enum xdp_action, include/uapi/linux/bpf.h
TC_ACT_UNSPEC, TC_ACT_SHOT = -1, 2  # include/uapi/linux/pkt_cls.h

Ask = Callable[[bytes], "bool | None"]


@dataclass
class Backends:
    """The backends of one expression, by name; see `open_backends`."""

    text: str
    program: Program  # as the optimiser leaves it
    asks: dict[str, Ask]
    asked: Counter[str] = field(default_factory=Counter)

    def verdicts(self, data: bytes) -> dict[str, bool]:
        """Return what each backend that can be asked says of a packet."""
        said = {name: ask(data) for name, ask in self.asks.items()}
        found = {name: verdict for name, verdict in said.items() if verdict is not None}
        self.asked.update(found.keys())
        return found


@contextmanager
def open_backends(text: str, options: Options, *, kernel: bool = True) -> Iterator[Backends]:
    """Compile `text` for all backends; with `kernel` (root) load them too.

    Raises ExpressionError as compiling does.
    """
    with ExitStack() as stack:
        asks: dict[str, Ask] = {}
        program: Program | None = None
        for name, chosen in (("-O0", replace(options, optimise=False)), ("-O", options)):
            program = to_ir(text, chosen).program
            asks[f"interp {name}"] = _interpreter(program)
            try:
                classic = cbpf.generate(program, linktype=options.linktype)
            except CodeSizeError:
                pass  # the eBPF targets have no such limit
            else:
                asks[f"cbpf {name}"] = _classic(stack.enter_context(KernelFilter(classic.insns)))
            if kernel:
                for target in (Target.XDP, Target.TC, Target.SOCKET):
                    hook = hook_for(target, frags=FRAGS)
                    lowered = to_ir(text, chosen, target).program
                    asks[f"{target.value} {name}"] = _loaded(stack, lowered, hook, options)
                found = buff.readable()
                if found is not None:
                    hook = hook_for(Target.SOCKET, buff=found)
                    try:
                        asks[f"direct {name}"] = _loaded(stack, lowered, hook, options)
                    except KernelError as error:
                        if error.errno != ENOMEM:  # too large for a socket
                            raise
        assert program is not None
        yield Backends(text, program, asks)


def _interpreter(program: Program) -> Ask:
    machine = Machine(program)
    return lambda data: machine.run(Packet(data)) is Verdict.MATCH


def _classic(kernel: KernelFilter) -> Ask:
    return lambda data: kernel.run(data) is not None if data else None


def _loaded(stack: ExitStack, program: Program, hook: Hook, options: Options) -> Ask:
    target = hook.target
    spec = ebpf.generate(
        program,
        hook,
        action=Action.DROP,
        counting=False,
        linktype=options.linktype,
    )
    loaded = stack.enter_context(LoadedProgram.load(spec))
    if target is Target.SOCKET:
        return _socket(stack, loaded)
    drop, other = (XDP_DROP, XDP_PASS) if target is Target.XDP else (TC_ACT_SHOT, TC_ACT_UNSPEC)

    def ask(data: bytes) -> bool | None:
        if len(data) < 14:
            return None
        try:
            action = loaded.test_run(data).action
        except KernelError as error:
            # tc refuses a cut IP header, and XDP, on old kernels, what fills a page.
            if target is Target.TC or error.errno == EMSGSIZE:
                return None
            raise
        assert action in (drop, other), f"{target.value} returned {action}"
        return action == drop

    return ask


def _socket(stack: ExitStack, loaded: LoadedProgram) -> Ask:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    stack.callback(here.close)
    stack.callback(there.close)
    attach_program(there, loaded.fd)

    def ask(data: bytes) -> bool | None:
        if not data:
            return None
        here.send(data)
        try:
            there.recv(len(data) + 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    return ask
