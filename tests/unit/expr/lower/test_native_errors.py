"""What the default dialect refuses, in which words, and where the caret points."""

from __future__ import annotations

import pytest

from netbpf.errors import CodeSizeError, ExpressionError
from netbpf.proto.linktype import LinkType
from tests.unit.expr.lower.asking import program_of

ETHERNET = LinkType.EN10MB
CASES = [
    (ETHERNET, "mpls and vlan", "no VLAN match after MPLS", "vlan"),
    (ETHERNET, "mpls and arp", "unsupported protocol over mpls", "arp"),
    (ETHERNET, "vlan 4096", "VLAN tag 4096 greater than maximum 4095", "vlan 4096"),
    (ETHERNET, "vlan in {1, 5000}", "VLAN tag 5000 greater than maximum 4095", "vlan in {1, 5000}"),
    (ETHERNET, "mpls 1048576", "MPLS label 1048576 greater than maximum 1048575", "mpls 1048576"),
    (ETHERNET, "pppoes 65536", "PPPoE session number 65536 greater than maximum 65535",
     "pppoes 65536"),
    (ETHERNET, "geneve 16777216", "Geneve VNI 16777216 greater than maximum 16777215",
     "geneve 16777216"),
    (ETHERNET, "vxlan 16777216", "VXLAN VNI 16777216 greater than maximum 16777215",
     "vxlan 16777216"),
    (ETHERNET, "vxlan port 65536", "port number 65536 greater than maximum 65535",
     "vxlan port 65536"),
    (ETHERNET, "pppoes and vlan", "'vlan' not supported on DLT_PPP (PPP)", "vlan"),
    (ETHERNET, "pppoes and ether host 1:2:3:4:5:6",
     "'link host XX:XX:XX:XX:XX:XX' not supported on DLT_PPP (PPP)", "1:2:3:4:5:6"),
    (ETHERNET, "inner (inner (inner (inner (inner (ip)))))", "'inner' is nested more than 4 deep",
     "inner (ip)"),
    (ETHERNET, "vxlan and " * 9 + "ip", "tunnels are nested more than 8 deep", "vxlan"),
    (ETHERNET, "ah[0] = 1", "'ah' does not support the index operation", "ah[0]"),
    (ETHERNET, "inbound", "not a live capture, 'inbound' not supported on DLT_EN10MB (Ethernet)",
     "inbound"),
    (ETHERNET, "ip broadcast", "netmask not known, so 'ip broadcast' not supported",
     "ip broadcast"),
    (ETHERNET, "port 65536", "port number 65536 greater than maximum 65535", "65536"),
    (ETHERNET, "port in {80, 70000}", "port number 70000 greater than maximum 65535", "70000"),
    (ETHERNET, "arp port 80", "'arp' is not a valid qualifier for 'port'", "arp port 80"),
    (ETHERNET, "ip proto 256", "protocol number 256 greater than maximum 255", "256"),
    (LinkType.RAW, "vlan", "'vlan' not supported on DLT_RAW (Raw IP)", "vlan"),
    (LinkType.LINUX_SLL, "vlan", "'vlan' not supported on DLT_LINUX_SLL (Linux cooked v1)", "vlan"),
    (LinkType.LINUX_SLL2, "mpls", "'mpls' not supported on DLT_LINUX_SLL2 (Linux cooked v2)",
     "mpls"),
    (LinkType.PPP, "llc", "'llc' not supported on DLT_PPP (PPP)", "llc"),
    (LinkType.RAW, "ether multicast", "'multicast' not supported on DLT_RAW (Raw IP)",
     "ether multicast"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("linktype", "text", "message", "shown"), CASES, ids=[text[:40] for _, text, _, _ in CASES]
)
def test_refused(linktype: LinkType, text: str, message: str, shown: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        program_of(text, linktype=linktype)
    assert caught.value.message == message
    assert text[caught.value.span.start : caught.value.span.end] == shown


def test_a_program_beyond_any_kernel_is_refused() -> None:
    text = " or ".join(["(inner (tcp))"] * 4000)
    with pytest.raises(CodeSizeError, match="the expression is too large"):
        program_of(text)
