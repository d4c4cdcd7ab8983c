"""The pcap dialect: offsets that move, scratch memory, protocol chains, and hooks."""

from __future__ import annotations

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.lower.pcap.protochain import HEADERS
from netbpf.expr.lower.pcap.scratch import zero_filled
from netbpf.ir.builder import Builder
from netbpf.ir.interp import Machine, Packet, run
from netbpf.ir.passes import optimise
from netbpf.ir.program import AluOp, Cmp, Const, MetaField, Program, Reg, Verdict
from netbpf.ir.verify import verify
from netbpf.proto.linktype import LinkType
from tests.support.lowering import lowered

MACS = bytes(12)
IP4 = b"\x08\x00\x45" + bytes(8) + b"\x11" + bytes(10)  # EtherType and a header: UDP, no options
IP6 = b"\x86\xdd\x60" + bytes(5)


def matches(text: str, data: bytes, **options: object) -> bool:
    linktype = options.pop("linktype", LinkType.EN10MB)
    assert isinstance(linktype, LinkType)
    assert not options
    return run(lowered(text, linktype=linktype), Packet(data)) is Verdict.MATCH


# -- offsets ---------------------------------------------------------------------------------------


def test_a_tag_moves_the_offsets_of_all_that_follows() -> None:
    plain, tagged = MACS + IP4, MACS + b"\x81\0\0\x0a" + IP4
    assert matches("ip", plain)
    assert matches("vlan 10 and ip", tagged)
    assert not matches("vlan 11 and ip", tagged)
    assert not matches("vlan or ip", plain)  # libpcap's fault: the offsets stay moved
    assert not matches("(not vlan) and ip", plain)
    assert matches("ip or vlan", plain)
    assert matches("vlan 10 and vlan 20 and ip", MACS + b"\x81\0\0\x0a\x88\xa8\0\x14" + IP4)


def test_labels_end_at_the_bottom_of_the_stack() -> None:
    inner = IP4[2:]
    one = MACS + b"\x88\x47" + b"\0\x06\x41\x40" + inner
    two = MACS + b"\x88\x47" + b"\0\x06\x40\x40" + b"\0\x0c\x81\x40" + inner
    assert matches("mpls 100 and ip", one)
    assert not matches("mpls 100 and mpls 200", one)
    assert not matches("mpls 100 and ip", two)
    assert matches("mpls 100 and mpls 200 and udp", two)
    with pytest.raises(ExpressionError, match="no VLAN match after MPLS"):
        lowered("mpls and vlan")
    with pytest.raises(ExpressionError, match="unsupported protocol over mpls"):
        lowered("mpls and arp")


def test_pppoe_goes_on_with_ppp() -> None:
    frame = MACS + b"\x88\x64\x11\0\0\x07\0\x20" + b"\0\x21" + IP4[2:]
    assert matches("pppoes 7 and udp", frame)
    assert not matches("pppoes 8 and udp", frame)
    with pytest.raises(ExpressionError, match="'vlan' not supported on DLT_PPP"):
        lowered("pppoes and vlan")


def overlay(port: int, header: bytes, inner: bytes) -> bytes:
    udp = bytes(2) + port.to_bytes(2, "big") + bytes(4)
    return MACS + IP4 + udp + header + inner


def test_overlays_go_on_with_the_inner_frame() -> None:
    inside = MACS + b"\x08\x06" + bytes(28)
    vxlan = overlay(4789, b"\x08\0\0\0\0\0\x2a\0", inside)
    assert matches("vxlan 42 and arp", vxlan)
    assert matches("vxlan and ether src 00:00:00:00:00:00", vxlan)
    assert not matches("vxlan 43", vxlan)
    assert not matches("vxlan and ip", vxlan)
    options = b"\x02\0\x65\x58\0\0\x2a\0" + bytes(8)
    assert matches("geneve 42 and arp", overlay(6081, options, inside))
    most = b"\x3f\0\x65\x58\0\0\x2a\0" + bytes(0x3F * 4)
    assert matches("geneve 42 and arp", overlay(6081, most, inside))
    bare = overlay(6081, b"\0\0\x08\0\0\0\x2a\0", IP4[2:])
    assert matches("geneve and udp", bare)
    assert not matches("geneve and ether host 00:00:00:00:00:00", bare)  # there is no such header
    assert not matches("geneve and multicast", bare)


def test_where_there_is_no_tunnel_its_offsets_are_zero() -> None:
    assert matches("geneve or ip", b"\x08\x00" + bytes(80))  # EtherType at 0, as libpcap reads it
    assert not matches("geneve or ip", MACS + IP4)
    assert matches(
        "vxlan or ether multicast", overlay(4789, b"\x08" + bytes(7), b"\x01" + bytes(20))
    )


def test_an_expression_asks_for_five_overlays_at_most() -> None:
    lowered(" or ".join(["geneve"] * 5))
    with pytest.raises(ExpressionError, match="too many registers"):
        lowered(" or ".join(["geneve"] * 6))


# -- scratch registers -----------------------------------------------------------------------------


def diamond(*, read_before: bool) -> Program:
    """Set r on one of two ways, then return it; or also before the ways part."""
    builder, r = Builder(), Reg("r")
    left, right, end = builder.label(), builder.label(), builder.label()
    first = builder.load(None, 0, 1)
    if read_before:
        builder.alu(AluOp.ADD, Reg("s"), 1)
    builder.branch(Cmp.EQ, first, 7, left, right)
    builder.place(left)
    builder.const(5, "r")
    builder.jump(end)
    builder.place(right)
    builder.jump(end)
    builder.place(end)
    match, no = builder.label("match"), builder.label("no")
    builder.branch(Cmp.EQ, r, 0, no, match)
    builder.place(match)
    builder.ret(Verdict.MATCH)
    builder.place(no)
    builder.ret(Verdict.NO_MATCH)
    return builder.finish()


def test_a_way_without_a_value_has_zero() -> None:
    program = zero_filled(diamond(read_before=False), {Reg("r")})
    verify(program)
    machine = Machine(program, strict=True)
    assert machine.run(Packet(b"\x07")) is Verdict.MATCH
    assert machine.run(Packet(b"\x08")) is Verdict.NO_MATCH


def test_what_no_way_has_a_value_for_is_zero_just_before_it_is_read() -> None:
    program = zero_filled(diamond(read_before=True), {Reg("r"), Reg("s")})
    verify(program)
    assert Const(Reg("s"), 0) in program.blocks[0].insns
    assert Const(Reg("r"), 0) not in program.blocks[0].insns


def test_other_registers_are_left_alone() -> None:
    program = diamond(read_before=False)
    assert zero_filled(program, set()) is program
    assert zero_filled(program, {Reg("other")}) == program


# -- chains of headers -----------------------------------------------------------------------------


def chain(headers: int, last: int) -> bytes:
    """IPv6 with destination options, eight bytes each, before a protocol."""
    kinds = [60] * headers + [last]
    frame = bytearray(MACS + IP6 + bytes(34))
    frame[20] = kinds[0]
    for kind in kinds[1:]:
        frame += bytes((kind, 0)) + bytes(6)
    return bytes(frame)


@pytest.mark.parametrize("headers", [0, 1, 2, HEADERS - 1, HEADERS])
def test_protochain_walks_the_headers(headers: int) -> None:
    assert matches("ip6 protochain 6", chain(headers, 6))
    assert matches("protochain 6", chain(headers, 6))
    assert not matches("ip6 protochain 6", chain(headers, 17))
    assert matches("not ip6 protochain 6", chain(headers, 17))
    assert matches("not ip6 protochain 6", chain(headers, 59))
    assert matches("ip6 protochain 60", chain(headers, 6)) == (headers > 0)


@pytest.mark.parametrize("kind", [0, 43, 44, 60])
def test_protochain_knows_the_headers_of_ipv6(kind: int) -> None:
    frame = bytearray(chain(1, 6) + bytes(32))
    frame[20], frame[54:56] = kind, bytes((17, 1))
    assert matches("ip6 protochain 17", bytes(frame))
    frame[54:56] = bytes((60, 2))  # 24 bytes, then another
    frame[54 + 24] = 6
    assert matches("ip6 protochain 6", bytes(frame))


def test_protochain_ends_with_the_packet_and_with_its_limit() -> None:
    for negated in ("", "not "):
        assert not matches(f"{negated}ip6 protochain 6", chain(3, 6)[:-8])
        assert not matches(f"{negated}ip6 protochain 6", chain(HEADERS + 1, 6))


def test_protochain_looks_for_the_header_behind_ah_as_libpcap_does() -> None:
    """At the AH's length from the network header, where only an AH at its start would be."""
    frame = bytearray(MACS + IP6 + bytes(120))
    frame[20] = 51
    frame[54:56] = bytes((60, 18))  # next, length: (18 + 2) * 4 = 80
    frame[14 + 80] = 6
    assert matches("ip6 protochain 6", bytes(frame))
    frame[54:56] = bytes((51, 8))  # (8 + 2) * 4 = 40: itself, for ever
    assert not matches("not ip6 protochain 6", bytes(frame))


def test_libpcap_asks_for_ipv4_before_what_an_index_implies() -> None:
    cut = MACS + b"\x86\xdd" + bytes(4)  # IPv6 without its next header, which icmp6[0] would load
    assert matches("not tcp[icmp6[0]] = 1", cut)
    assert not matches("not ip6[icmp6[0]] = 1", cut)


# -- hooks -----------------------------------------------------------------------------------------


def test_what_only_a_hook_knows() -> None:
    for text, packet in (
        ("inbound", Packet(b"")),
        ("outbound", Packet(b"", outbound=True)),
        ("ifindex 7", Packet(b"", ifindex=7)),
    ):
        with pytest.raises(ExpressionError, match=f"not a live capture, '{text.split()[0]}'"):
            lowered(text)
        program = lowered(text, live=True)
        assert run(program, packet) is Verdict.MATCH
        other = Packet(b"", outbound=not packet.outbound, ifindex=packet.ifindex + 1)
        assert run(program, other) is Verdict.NO_MATCH


def test_cooked_frames_know_it_themselves() -> None:
    sent = b"\0\x04" + bytes(14)
    assert matches("outbound", sent, linktype=LinkType.LINUX_SLL)
    assert not matches("inbound", sent, linktype=LinkType.LINUX_SLL)
    sent = bytes(4) + b"\0\0\0\x07" + bytes(2) + b"\x04" + bytes(9)
    assert matches("outbound and ifindex 7", sent, linktype=LinkType.LINUX_SLL2)


def test_a_stripped_tag_is_tested_without_a_look_at_the_packet() -> None:
    program = lowered("vlan 10", stripped_tags=True)
    for vlan, match in (((0x8100, 0x200A), True), ((0x88A8, 10), True), ((0x8100, 11), False)):
        assert (run(program, Packet(b"", vlan=vlan)) is Verdict.MATCH) is match
    assert run(program, Packet(MACS + b"\x91\0\0\x0a")) is Verdict.MATCH
    fields = {getattr(insn, "field", None) for block in program for insn in block.insns}
    assert MetaField.VLAN_TPID not in fields  # a stripped tag has one of the types that count


def test_where_a_tag_is_stripped_what_asks_for_none_cannot_match() -> None:
    plain = optimise(lowered("tcp port 80"))
    at_hook = optimise(lowered("tcp port 80", stripped_tags=True))
    assert len(at_hook.blocks) == len(plain.blocks) + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vlan 4096", "VLAN tag 4096 greater than maximum 4095"),
        ("tcp[tcp[0]:4] = 1 and payload[0] = 1", ""),
        ("ip6 protochain 6 and geneve and protochain 6", "variable length headers"),
        ("geneve and protochain 6", "'protochain' not supported with variable length headers"),
        ("radio[0] = 1", "radio information not present in capture"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        lowered(text)
    assert message in caught.value.message
