"""The Python API: words in, specs out; and the examples of docs/api.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import netbpf
from netbpf.errors import UsageError
from netbpf.spec import Action, ClassicFilter, Key, ProgramSpec, Target
from tests.support import netns

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


def test_compile_for_a_hook() -> None:
    spec = netbpf.compile("tcp dst port 80", target="tc", action="drop", by=["port", "src"])
    assert isinstance(spec, ProgramSpec)
    assert (spec.target, spec.action) == (Target.TC, Action.DROP)
    assert spec.counters is not None
    assert [table.key for table in spec.counters.tables] == [Key.PORT, Key.SRC]


def test_compile_to_classic_bpf() -> None:
    classic = netbpf.compile("ip", target="cbpf", dialect="pcap", snaplen=96)
    assert isinstance(classic, ClassicFilter)
    assert [insn.k for insn in classic.insns] == [12, 0x800, 96, 0]


def test_sets_are_text() -> None:
    one = netbpf.compile("port in @web", target="cbpf", sets={"web": ["80", "443"]})
    other = netbpf.compile("port in {80, 443}", target="cbpf")
    assert one.insns == other.insns


def test_importing_is_light_and_names_are_checked() -> None:
    assert netbpf.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = netbpf.nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dialect": "tcpdump"}, "'tcpdump' is none of: netbpf, pcap"),
        ({"linktype": "WIFI"}, "'WIFI' is no link type; there are: NULL, EN10MB"),
        ({"by": ["colour"]}, "'colour' is none of: port, sport"),
        ({"target": "nft"}, "'nft' is none of: cbpf, xdp"),
    ],
)
def test_a_wrong_word_is_told(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        netbpf.compile("tcp", **arguments)  # type: ignore[call-overload] # wrong on purpose
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "attach" not in code])
def test_examples_without_privilege(code: str) -> None:
    exec(code, {})


@pytest.mark.root
def test_without_frags_every_kernel_loads_it() -> None:
    with netbpf.load(netbpf.compile("tcp dst port 80", frags=False)) as loaded:
        assert netbpf.counters(loaded).packets == 0


@pytest.mark.root
@pytest.mark.needs_kernel("XDP programs for jumbo frames")
def test_the_main_example() -> None:
    (code,) = (code for code in EXAMPLES if "attach" in code)
    with netns.namespace() as space, space.entered():
        exec(code.replace("eth0", "lo").replace("sleep(10)", "sleep(0.1)"), {})
