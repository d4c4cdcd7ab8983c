"""The zoo of frames itself: that its facts are facts."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import packets
from tests.support.packets import Fragment, Tag, frame
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def test_names_are_the_zoos_names() -> None:
    assert tuple(packets.zoo()) == packets.NAMES


# scapy does not look behind an AH, nor for a tag behind 0x9100; test_bytes does.
UNREADABLE = {"tcp6-ah", "tcp6-vlan-ah", "tcp6-chain", "tcp6-chain-8", "tcp6-chain-9"} | {
    "tcp4-9100"
}


@pytest.mark.parametrize("name", [x for x in packets.NAMES if x not in UNREADABLE])
def test_facts_hold_for_what_scapy_reads_from_the_bytes(name: str) -> None:
    from scapy.layers.l2 import Dot3, Ether

    one = frame(name)
    link = Dot3 if one.facts.ethertype is None else Ether
    assert packets.facts_of(link(one.data)) == one.facts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tcp4", {"version": 4, "protocol": 6, "sport": 12345, "dport": 80, "tags": ()}),
        ("tcp4-first", {"fragment": Fragment.FIRST, "dport": 80, "protocol": 6}),
        ("tcp4-later", {"fragment": Fragment.LATER, "dport": None, "protocol": 6}),
        ("tcp6-later", {"fragment": Fragment.LATER, "dport": None, "extensions": (44,)}),
        ("tcp6-atomic", {"fragment": Fragment.ATOMIC, "dport": 80, "protocol": 6}),
        ("udp6-later-destopts", {"protocol": 60, "extensions": (0, 44), "dport": None}),
        ("tcp6-chain-9", {"protocol": 6, "extensions": (0, 43, 44, 51, 60, 60, 60, 60, 60)}),
        ("ah4", {"protocol": 51, "extensions": (), "dport": None}),
        ("tcp4-qinq", {"tags": (Tag(0x88A8, 200), Tag(0x8100, 100)), "ethertype": 0x0800}),
        ("tcp4-9100", {"tags": (Tag(0x9100, 100),), "dport": 80}),
        ("vxlan-tcp4", {"tunnel": "vxlan", "dport": 4789, "protocol": 17}),
        ("stp", {"ethertype": None, "version": None}),
    ],
)
def test_facts(name: str, expected: Mapping[str, object]) -> None:
    facts = frame(name).facts
    assert {key: getattr(facts, key) for key in expected} == expected


def test_inner_facts() -> None:
    inner = frame("vxlan-tcp4-vlan").facts.inner
    assert inner is not None
    assert (inner.tags, inner.dport) == ((Tag(0x8100, 100),), 80)


# By hand: where the bytes of a header must be, and what they must be.
@pytest.mark.parametrize(
    ("name", "offset", "content"),
    [
        ("tcp4", 12, "0800 45"),
        ("tcp4-later", 20, "2040"),
        ("tcp4-qinq", 12, "88a8 00c8 8100 0064 0800"),
        ("tcp6-ah", 54, "06 04 0000"),
        ("tcp6-ah", 54 + 24, "3039 0050"),
        ("tcp6-chain", 14 + 40 + 8 + 16 + 40 + 8 + 24 + 16, "3039 0050"),
        ("tcp6-chain-8", 14 + 40 + 8 + 40 + 8 + 24 + 4 * 16, "3039 0050"),
        ("tcp6-chain-9", 14 + 40 + 8 + 40 + 8 + 24 + 5 * 16, "3039 0050"),
        ("tcp6-later", 54, "06 00 0201"),
        ("gtp-extended-tcp4", 42, "34 ff"),
        ("mpls-stack-tcp6", 14, "00064040 000c8140 60"),
    ],
)
def test_bytes(name: str, offset: int, content: str) -> None:
    expected = bytes.fromhex(content)
    assert frame(name).data[offset : offset + len(expected)] == expected


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("vlan and vlan", {"tcp4-qinq", "udp6-qinq", "tcp4-vlan-vlan", "tcp4-qinq-options"}),
        ("ip[6:2] & 0x1fff != 0", {"tcp4-later", "udp4-last"}),
        ("ip6 protochain 6", {"tcp6-ah", "tcp6-hopbyhop", "tcp6-routing"}),
        ("pppoes", {"pppoe-tcp4"}),
        ("udp port 4789", {"vxlan-tcp4", "vxlan-tcp4-vlan", "vxlan-udp6"}),
    ],
)
def test_tcpdump_agrees(expression: str, names: set[str], tmp_path: Path) -> None:
    """An independent reader finds the frames that the names promise."""
    from scapy.utils import wrpcap

    tcpdump = require_tool("tcpdump")
    capture = tmp_path / "zoo.pcap"
    wrpcap(str(capture), [x.data for x in packets.zoo().values()], linktype=1)
    done = subprocess.run(
        [tcpdump, "-r", str(capture), "-w", "-", "-U", expression], capture_output=True, check=True
    )
    found = {name for name in packets.NAMES if frame(name).data in done.stdout}
    assert names <= found
