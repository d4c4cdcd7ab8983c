"""Listings of whole programs, to be reviewed as code when they change.

    NETBPF_GOLDEN=write pytest tests/golden

writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netbpf.asm.disasm import listing
from netbpf.btf.skb import SkBuff
from netbpf.compiler import Options, compile, compile_filter  # noqa: A004 - the name of the API
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect
from netbpf.spec import Action, ProgramSpec, Target

DIRECTORY = Path(__file__).with_name("ebpf")
PCAP = Options(dialect=Dialect.PCAP, resolver=NoNames())
TEXT = "tcp dst port 80"
BUFF = SkBuff(cast=1234, len=112, data_len=116, data=200)


def bare(target: Target, text: str = TEXT, buff: SkBuff | None = None) -> ProgramSpec:
    spec = compile(text, target=target, options=PCAP, buff=buff)
    assert isinstance(spec, ProgramSpec)
    return spec


CASES = {
    "xdp": lambda: bare(Target.XDP),
    "tc": lambda: bare(Target.TC),
    "socket": lambda: bare(Target.SOCKET),
    "socket-direct": lambda: bare(Target.SOCKET, buff=BUFF),
    "xdp-set": lambda: bare(Target.XDP, " or ".join(f"ip proto {n}" for n in range(1, 70, 2))),
    "tc-drop": lambda: compile_filter("ip", target=Target.TC, action=Action.DROP, options=PCAP),
}


@pytest.mark.parametrize("name", CASES)
def test_listing(name: str) -> None:
    spec = CASES[name]()
    shown = "".join(f"{line}\n" for line in listing(spec.insns, dict(spec.map_refs)))
    path = DIRECTORY / f"{name}.txt"
    if os.environ.get("NETBPF_GOLDEN") == "write":
        path.write_text(shown)
    assert shown == path.read_text()
