"""The expressions that filters are timed by, each with the C file that means the same."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True)
class Expression:
    """`c` is the name of a file in tests/bench/c, `define` what it needs to be told."""

    name: str
    text: str
    c: str
    define: str = ""
    group: str = "plain"  # plain or sets


def expressions() -> list[Expression]:
    """Return the twelve whose figures are compared over time, then twelve of other kinds."""
    return [*_plain(), *_sets(), *_others()]


def _plain() -> list[Expression]:
    rows = {
        "tcp_dst_port_80": "tcp dst port 80",
        "ip": "ip",
        "host": "host 10.0.0.1",
        "net_not_port": "net 10.0.0.0/8 and not port 22",
        "syn_port": "tcp[tcpflags] & tcp-syn != 0 and port 443",
        "ip6_udp_port": "ip6 and udp port 53",
        "vlan_tcp_port": "vlan 100 and tcp port 80",
        "portrange": "portrange 1000-2000",
        "icmp_or_arp": "icmp or arp",
    }
    return [Expression(text, text, c) for c, text in rows.items()]


def _others() -> list[Expression]:
    rows = {
        "ttl_length": "ip[8] < 65 and ip[2:2] > 60",
        "http_data": "tcp port 80 and "
        "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
        "udp_length": "udp[4:2] > 30 and (dst port 53 or dst port 123)",
        "deep": "(tcp port 80 or tcp port 443) and (src net 10.0.0.0/8 or src net 192.168.0.0/16) "
        "and not (dst host 203.0.113.5 or dst net 172.16.0.0/12)",
        "all_but": "not arp and not icmp and not (udp port 53 or udp port 67 or udp port 123) "
        "and not ether broadcast",
        "ip6_host": "ip6 host 2001:db8::1 and tcp dst port 443",
        "ip6_echo": "icmp6[icmp6type] = icmp6-echo",
        "ip6_net": "dst net 2001:db8:5::/48 and udp port 53",
        "mpls": "mpls 100 and tcp dst port 80",
        "vni": "udp dst port 4789 and udp[12:4] >> 8 = 42",
        "http_get": "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
        "dns_answer": "udp port 53 and udp[10] & 0x80 != 0",
    }
    return [Expression(text, text, c, group="others") for c, text in rows.items()]


def _sets() -> list[Expression]:
    rng = random.Random(4)
    hosts = ["10.0.0.1", *(f"10.0.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(15))]
    ports = sorted({80, 443, 53, *rng.sample(range(1, 65536), 97)})
    nets = [IPv4Network("10.1.0.0/16"), IPv4Network("10.0.0.0/28"), IPv4Network("192.168.1.0/24")]
    while len(nets) < 200:
        length = rng.choice((16, 20, 24, 28))
        nets.append(IPv4Network((rng.randrange(1 << 24, 224 << 24), length), strict=False))
    return [
        Expression(
            "16 hosts and tcp port 80",
            f"({' or '.join(f'host {one}' for one in hosts)}) and tcp port 80",
            "hosts",
            _cases("HOSTS", "H32", (int(IPv4Network(one).network_address) for one in hosts)),
            "sets",
        ),
        Expression(
            "100 ports", " or ".join(f"port {one}" for one in ports), "ports",
            _cases("PORTS", "H16", ports), "sets",
        ),
        Expression(
            "200 CIDRs",
            " or ".join(f"net {one}" for one in nets),
            "nets",
            "\n".join(
                _cases(
                    f"NETS{length}",
                    "H32",
                    (int(one.network_address) for one in nets if one.prefixlen == length),
                )
                for length in (16, 20, 24, 28)
            ),
            "sets",
        ),
    ]  # fmt: skip


def _cases(name: str, order: str, values: Iterable[int]) -> str:
    """Return a macro with the labels of a C switch; `order` swaps bytes, as frame.h has it."""
    labels = (f"case {order}({value:#x}):" for value in dict.fromkeys(values))
    return f"#define {name} " + " ".join(labels)
