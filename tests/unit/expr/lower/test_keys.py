"""Keys that packets are counted by."""

from __future__ import annotations

import pytest

from netbpf.expr.environment import Environment
from netbpf.expr.lower.keys import lower_key
from netbpf.ir.interp import Packet, outputs
from netbpf.ir.passes import optimise
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from netbpf.spec import Key
from tests.unit.expr.lower.frames import OPTIONS, ether, fragment, ip4, ip6, sctp, tcp, udp

IP, IP6, ARP = 0x0800, 0x86DD, 0x0806
SRC4, DST4 = (0xC0000201, 0, 0, 0), (0xC0000202, 0, 0, 0)
SRC6, DST6 = (0x20010DB8, 0, 0, 1), (0x20010DB8, 0, 0, 2)
WEB4 = ether(IP, ip4(6, tcp(1024, 80)))
DNS6 = ether(IP6, ip6(17, udp(1024, 53), (0, OPTIONS)), (0x8100, 5))
LATER4 = ether(IP, ip4(6, tcp(1024, 80), frag=7))
LATER6 = ether(IP6, ip6(6, tcp(1024, 80), (44, fragment(7))))
PING = ether(IP, ip4(1, bytes(8)))

CASES = [
    (Key.PORT, WEB4, (80,)),
    (Key.SPORT, WEB4, (1024,)),
    (Key.PORT, DNS6, (53,)),
    (Key.PORT, ether(IP, ip4(132, sctp(7, 9))), (9,)),
    (Key.PORT, LATER4, None),
    (Key.SPORT, LATER6, None),
    (Key.PORT, PING, None),
    (Key.PORT, ether(ARP, bytes(40)), None),
    (Key.PORT, WEB4[:37], None),
    (Key.SPORT, WEB4[:36], (1024,)),
    (Key.PROTO, WEB4, (6,)),
    (Key.PROTO, DNS6, (17,)),
    (Key.PROTO, LATER6, (6,)),
    (Key.PROTO, PING, (1,)),
    (Key.PROTO, ether(ARP, bytes(40)), None),
    (Key.SRC, WEB4, (4, *SRC4)),
    (Key.DST, WEB4, (4, *DST4)),
    (Key.SRC, DNS6, (6, *SRC6)),
    (Key.DST, DNS6, (6, *DST6)),
    (Key.SRC, ether(ARP, bytes(40)), None),
    (Key.FLOW, WEB4, (4 << 8 | 6, 1024 << 16 | 80, *SRC4, *DST4)),
    (Key.FLOW, DNS6, (6 << 8 | 17, 1024 << 16 | 53, *SRC6, *DST6)),
    (Key.FLOW, LATER4, (4 << 8 | 6, 0, *SRC4, *DST4)),
    (Key.FLOW, PING, (4 << 8 | 1, 0, *SRC4, *DST4)),
    (Key.FLOW, ether(ARP, bytes(40)), None),
]


@pytest.mark.parametrize(("key", "frame", "words"), CASES, ids=lambda value: str(value)[:20])
def test_key(key: Key, frame: bytes, words: tuple[int, ...] | None) -> None:
    program = lower_key(key, Environment(""))
    assert outputs(program, Packet(frame)) == words


@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize("key", list(Key), ids=lambda key: key.value)
def test_the_versions_for_plain_packets_change_nothing(key: Key, stripped: bool) -> None:
    general = lower_key(key, Environment("", stripped_tags=stripped))
    versions = optimise(lower_key(key, Environment("", stripped_tags=stripped, roomy=True)))
    verify(versions)
    for frame in {frame for _, frame, _ in CASES}:
        for tag in (None, (0x8100, 5)) if stripped else (None,):
            for size in range(len(frame) + 1):
                packet = Packet(frame[:size], vlan=tag)
                assert outputs(versions, packet) == outputs(general, packet)


@pytest.mark.parametrize("key", list(Key), ids=lambda key: key.value)
def test_a_stripped_tag_changes_nothing(key: Key) -> None:
    program = lower_key(key, Environment("", stripped_tags=True))
    held = Packet(DNS6[:12] + DNS6[16:], vlan=(0x8100, 5))
    assert outputs(program, held) == outputs(lower_key(key, Environment("")), Packet(DNS6))


@pytest.mark.parametrize("linktype", list(LinkType), ids=lambda linktype: linktype.name)
@pytest.mark.parametrize("key", list(Key), ids=lambda key: key.value)
def test_every_link_type_has_keys(key: Key, linktype: LinkType) -> None:
    for stripped in (False, True):
        program = lower_key(key, Environment("", linktype=linktype, stripped_tags=stripped))
        verify(program)
        assert len(program.outputs) == {Key.SRC: 5, Key.DST: 5, Key.FLOW: 10}.get(key, 1)
    packet = ip6(6, tcp(1, 2)) if linktype is LinkType.IPV6 else ip4(6, tcp(1, 2))
    heads = {
        LinkType.NULL: b"\x02\0\0\0", LinkType.LOOP: b"\0\0\0\x02",
        LinkType.EN10MB: bytes(12) + b"\x08\0",
        LinkType.PPP: b"\xff\x03\0\x21", LinkType.LINUX_SLL: bytes(14) + b"\x08\0",
        LinkType.LINUX_SLL2: b"\x08\0" + bytes(18),
    }  # fmt: skip
    program = lower_key(key, Environment("", linktype=linktype))
    assert outputs(program, Packet(heads.get(linktype, b"") + packet)) is not None
