"""The frames that filters are timed on are what their names say."""

from __future__ import annotations

import pytest

from netbpf import compiler
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Verdict
from netbpf.observe.timing import Packets
from netbpf.observe.traffic import frames

KINDS = {
    "tcp and len < 1500": 24,
    "tcp dst port 80 and tcp[12] >= 0x50": 9,
    "udp port 53": 6,
    "ip6": 10,
    "frag": 5,
    "ip[0] & 0xf > 5": 2,
    "arp": 2,
    "vlan": 4,
    "vlan 300 and vlan 100": 1,
    "icmp or icmp6 or igmp or esp": 6,
    "vxlan 42 and inner (tcp port 80)": 1,
    "gre and inner (tcp port 80)": 1,
    "mpls 100 and tcp port 80": 1,
    "ether proto 0x88cc": 1,
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420": 7,
}


@pytest.mark.parametrize("text", KINDS)
def test_so_many_frames_match(text: str) -> None:
    run = Machine(compiler.to_ir(text).program).run
    matching = [name for name, data in frames().items() if run(Packet(data)) is Verdict.MATCH]
    assert len(matching) == KINDS[text], matching


def test_all_of_them_can_be_drawn() -> None:
    packets = Packets.mixed(frames().values())
    assert len(packets.starts) == len(frames()) == 50
    assert min(map(len, frames().values())) == 60
