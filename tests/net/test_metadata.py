"""What a program is told of a packet beside its bytes, at every hook.

The flow table shows it: its key is a program of the test's own.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import pytest

from netbpf.codegen.ebpf import generate
from netbpf.codegen.hooks import hook_for
from netbpf.ir.text import parse
from netbpf.spec import Key, Target
from tests.net.hooks import HOOKS, Hook, attached
from tests.net.wire import SENTINEL, Wire
from tests.support.programs import FRAGS

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.root

EVERYTHING = parse("entry:\n  match")
METADATA = parse(
    "outputs len ifindex outbound vlan.present vlan.tpid vlan.tci zero zero zero zero\n"
    "entry:\n"
    "  len = meta len\n  ifindex = meta ifindex\n  outbound = meta outbound\n"
    "  vlan.present = meta vlan.present\n  vlan.tpid = meta vlan.tpid\n"
    "  vlan.tci = meta vlan.tci\n  zero = 0\n  match"
)
MACS = bytes.fromhex("020000000002 020000000001")
PLAIN = (MACS + b"\x88\xb5").ljust(70, b"\0")
TAGS = {"802.1Q": (0x8100, 0x2064), "802.1ad": (0x88A8, 0xFFFF)}


class Seen(NamedTuple):
    """What a program is told."""

    length: int
    ifindex: int
    outbound: int
    present: int
    tpid: int
    tci: int


@pytest.mark.parametrize("tag", [None, *TAGS])
@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_metadata(hook: Hook, tag: str | None, ends: Wire) -> None:
    tpid, tci = TAGS.get(tag or "", (0, 0))
    frame = MACS + struct.pack("!HH", tpid, tci) + PLAIN[12:] if tag else PLAIN
    spec = generate(
        EVERYTHING, hook_for(hook.target, frags=FRAGS, buff=hook.buff()), keys={Key.FLOW: METADATA}
    )
    with attached(hook, ends, spec) as filter_:
        assert ends.carry(frame)
        keys = [struct.unpack("=10I", key) for key, _ in filter_.program.maps["flow"].items()]
    end = ends.near if hook.near else ends.far
    # The kernel strips tags where it receives, behind XDP.
    stripped = bool(tag) and not hook.near and hook.target is not Target.XDP
    told = (1, tpid, tci) if stripped else (0, 0, 0)
    assert {Seen(*key[:6]) for key in keys} == {
        Seen(len(frame), end.ifindex(), hook.near, *told),
        Seen(len(SENTINEL), end.ifindex(), hook.near, 0, 0, 0),
    }
