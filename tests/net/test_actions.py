"""Live traffic at the hooks that decide: what is dropped is what the expression says, no more."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from netbpf import compiler
from netbpf.expr.names import NoNames
from netbpf.spec import Action, Target
from tests.net.hooks import DROPPING, HOOKS, Attached, Hook, attached, frames
from tests.net.wire import ETHERTYPE, Wire
from tests.support.packets import frame
from tests.support.programs import FRAGS
from tests.support.truth import Truth, dport, protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.root

OPTIONS = compiler.Options(resolver=NoNames())
WEB = Truth("tcp dst port 80", lambda f: protocol(f) == 6 and dport(f) == 80)
EVERYTHING = ""
CLSACT = next(hook for hook in HOOKS if hook.name == "clsact")


@pytest.mark.parametrize("action", [Action.DROP, Action.PASS], ids=lambda action: action.value)
@pytest.mark.parametrize("hook", DROPPING, ids=str)
def test_action(hook: Hook, action: Action, ends: Wire) -> None:
    # The sentinel must get through, whatever the action.
    text = WEB.expression + (f" or ether proto {ETHERTYPE}" if action is Action.PASS else "")
    with ExitStack() as stack:
        deciding = stack.enter_context(attach(hook, ends, text, action))
        behind = None
        if hook.target is Target.TC:
            # A packet socket sees a packet before tc does. A filter behind ours tells what passed:
            # clsact's run after tcx, and in the order in which they were added.
            behind = stack.enter_context(attach(CLSACT, ends, EVERYTHING, Action.COUNT))
        passed = {name for name in frames(hook) if passes(name, ends, behind)}
        counted = deciding.read()
    matching = {x.name for x in frames(hook).values() if WEB.matches(x.facts)}
    others = set(frames(hook)) - matching
    assert passed == (others if action is Action.DROP else matching)
    assert counted.dropped == len(frames(hook)) - len(passed)
    sentinels = len(frames(hook)) if action is Action.PASS else 0
    assert counted.packets == len(matching) + sentinels


def attach(hook: Hook, ends: Wire, text: str, action: Action) -> AbstractContextManager[Attached]:
    spec = compiler.compile_filter(
        text, target=hook.target, action=action, options=OPTIONS, frags=FRAGS
    )
    return attached(hook, ends, spec)


def passes(name: str, ends: Wire, behind: Attached | None) -> bool:
    if behind is None:
        return ends.carry(frame(name).data)
    before = behind.read().packets
    ends.carry(frame(name).data)
    sentinel = 1
    return behind.read().packets - before - sentinel == 1
