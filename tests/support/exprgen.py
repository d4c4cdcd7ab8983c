"""Random expressions: every primitive of both dialects, nested, as text.

`Generator(seed, dialect).expression(depth)` draws from small pools of addresses, ports and numbers
(the same that tests.support.packets and tests.support.mutate put into packets), so that tests
compare equal often enough to reach the code behind them. The same seed gives the same texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType

HOSTS4 = ("192.0.2.1", "192.0.2.2", "10.0.0.1", "224.0.0.1", "255.255.255.255")
HOSTS6 = ("2001:db8::1", "2001:db8::2", "fe80::1", "ff02::1", "::")
NETS4 = ("192.0.2.0/24", "10.0.0.0/8", "192.0.2.0/31", "224.0.0.0/4", "0.0.0.0/0")
NETS6 = ("2001:db8::/32", "fe80::/10", "ff00::/8", "2001:db8::/127", "::/0")
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01")
PORTS = ("22", "53", "80", "443", "4789", "8080", "65535", "0")
RANGES = ("1-1023", "80-90", "90-80", "8000-8099", "0-65535", "53-53")
PROTOCOLS = ("0", "1", "2", "6", "17", "41", "43", "44", "47", "50", "51", "58", "60", "132", "255")
ETHERTYPES = ("0x800", "0x806", "0x86dd", "0x8100", "0x8847", "0x8864", "0x42", "0xfe", "0xe0")
IP_WORDS = ("ip", "ip6", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim", "vrrp",
            "carp", "ah", "esp")  # fmt: skip
LINK_WORDS = ("arp", "rarp", "aarp", "atalk", "decnet", "lat", "sca", "moprc", "mopdl", "iso",
              "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "stp", "ipx",
              "netbeui")  # fmt: skip
LLC_KINDS = ("", "i", "s", "u", "rr", "rnr", "rej", "ui", "ua", "disc", "dm", "sabme", "test",
             "xid", "frmr")  # fmt: skip
INDEXABLE = ("ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "rarp", "sctp", "igmp")
NAMED = ("tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] & (tcp-syn|tcp-fin) = tcp-syn",
         "icmp[icmptype] = icmp-echo", "icmp[icmpcode] = 0", "icmp6[icmp6type] = icmp6-echo",
         "ip[6:2] & 0x1fff = 0", "ip[0] & 0xf > 5", "ip[8] < 5")  # fmt: skip
DIRECTIONS = ("", "", "src ", "dst ", "src or dst ", "src and dst ")
RELATIONS = ("=", "==", "!=", "<", "<=", ">", ">=")
OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")


class Generator:
    """Draws expressions; deterministic for a seed."""

    def __init__(
        self,
        seed: int,
        dialect: Dialect = Dialect.NETBPF,
        linktype: LinkType = LinkType.EN10MB,
        *,
        tunnels: bool = True,
    ) -> None:
        self.random = random.Random(seed)
        self.dialect = dialect
        self.ethernet = linktype is LinkType.EN10MB
        self._leaves = self._choose_leaves(tunnels)

    def expression(self, depth: int = 4) -> str:
        """Return an expression whose tree is at most `depth` deep."""
        if depth <= 0 or self.random.random() < 0.15:
            return self.leaf()
        left, right = self.expression(depth - 1), self.expression(depth - 2)
        form = self.random.choice(("{} and {}", "{} or {}", "({}) and ({})", "({}) or ({})",
                                   "not ({}) and {}", "({}) or not {}"))  # fmt: skip
        return form.format(left, right)

    def leaf(self) -> str:
        """Return one primitive."""
        return self.random.choice(self._leaves)()

    def _choose_leaves(self, tunnels: bool) -> list[Callable[[], str]]:
        leaves = [self._host, self._host, self._net, self._port, self._port, self._portrange,
                  self._word, self._word, self._proto, self._relation, self._relation,
                  self._named, self._length, self._cast]  # fmt: skip
        if self.ethernet:
            leaves += [self._ether, self._ether_proto, self._link_word, self._llc, self._byte]
            if tunnels:
                leaves += [self._vlan, self._mpls, self._pppoe]
        if self.dialect is Dialect.NETBPF:
            leaves += [self._in_set, self._in_set, self._flags, self._small_field, self._payload,
                       self._fragment]  # fmt: skip
            if self.ethernet and tunnels:
                leaves += [self._inner, self._vxlan]
        return leaves

    def _pick(self, *pools: tuple[str, ...]) -> str:
        return self.random.choice(self.random.choice(pools))

    def _host(self) -> str:
        word = self._pick(("", "ip ", "arp ", "rarp ")) + self._pick(DIRECTIONS)
        if self.random.random() < 0.6:
            return f"{word}host {self._pick(HOSTS4)}"
        return f"{self._pick(('', 'ip6 '))}{self._pick(DIRECTIONS)}host {self._pick(HOSTS6)}"

    def _net(self) -> str:
        if self.random.random() < 0.6:
            return f"{self._pick(('', 'ip '))}{self._pick(DIRECTIONS)}net {self._pick(NETS4)}"
        return f"{self._pick(('', 'ip6 '))}{self._pick(DIRECTIONS)}net {self._pick(NETS6)}"

    def _port(self) -> str:
        word = self._pick(("", "tcp ", "udp ", "sctp ")) + self._pick(DIRECTIONS)
        more = f" or {self._pick(PORTS)}" if self.random.random() < 0.2 else ""
        return f"{word}port {self._pick(PORTS)}{more}"

    def _portrange(self) -> str:
        word = self._pick(("", "tcp ", "udp ")) + self._pick(DIRECTIONS)
        return f"{word}portrange {self._pick(RANGES)}"

    def _word(self) -> str:
        return self._pick(IP_WORDS)

    def _link_word(self) -> str:
        return self._pick(LINK_WORDS)

    def _llc(self) -> str:
        return f"llc {self._pick(LLC_KINDS)}".strip()

    def _proto(self) -> str:
        return f"{self._pick(('', 'ip ', 'ip6 '))}proto {self._pick(PROTOCOLS)}"

    def _ether(self) -> str:
        return f"ether {self._pick(('', 'src ', 'dst '))}host {self._pick(MACS)}"

    def _ether_proto(self) -> str:
        return f"ether proto {self._pick(ETHERTYPES)}"

    def _byte(self) -> str:
        offset = self.random.randrange(40)
        return f"byte {offset} {self._pick(('=', '<', '>', '&', '|'))} {self.random.randrange(256)}"

    def _cast(self) -> str:
        words = ("ip multicast", "ip6 multicast")
        return self._pick((*words, "broadcast", "multicast") if self.ethernet else words)

    def _length(self) -> str:
        form = self._pick(("less {}", "greater {}", "len = {}", "len > {}", "len <= {}"))
        return form.format(self.random.choice((0, 40, 60, 64, 100, 1500)))

    def _named(self) -> str:
        return self._pick(NAMED)

    def _relation(self) -> str:
        left, right = self._arith(2), self._arith(1)
        return f"{left} {self._pick(RELATIONS)} {right}"

    def _arith(self, depth: int) -> str:
        chance = self.random.random()
        if depth <= 0 or chance < 0.25:
            return str(self.random.choice((0, 1, 2, 4, 6, 17, 20, 64, 255, 1500, 0x0A000001)))
        if chance < 0.7:
            return self._bytes(depth)
        if chance < 0.75:
            return "len"
        operator = self._pick(OPERATORS)
        if operator in ("<<", ">>", "/", "%") and self.random.random() < 0.8:
            return f"({self._arith(depth - 1)} {operator} {self.random.randint(1, 12)})"
        return f"({self._arith(depth - 1)} {operator} {self._arith(depth - 1)})"

    def _bytes(self, depth: int) -> str:
        names = INDEXABLE if self.ethernet else INDEXABLE[1:]
        index = str(self.random.choice((0, 1, 2, 4, 8, 9, 12, 13, 16, 20, 40)))
        if depth > 1 and self.random.random() < 0.1:
            index = f"{self._bytes(1)} & 0x1f"
        return f"{self._pick(names)}[{index}{self._pick(('', ':1', ':2', ':4'))}]"

    def _vlan(self) -> str:
        ident = self._pick(("", " 0", " 10", " 20", " 100"))
        inside = self._pick(("", " and ip", " and tcp port 80", " and vlan 20", " and vlan"))
        return f"vlan{ident}{inside}"

    def _mpls(self) -> str:
        inside = self._pick(("", " and ip", " and tcp port 80", " and mpls 200"))
        return f"mpls{self._pick(('', ' 100'))}{inside}"

    def _pppoe(self) -> str:
        return self._pick(("pppoed", "pppoes", "pppoes 7", "pppoes and ip", "pppoes and port 80"))

    def _vxlan(self) -> str:
        inside = self._pick(("", " and ip", " and tcp port 80", " and vlan 10"))
        tunnel = self._pick(("vxlan", "vxlan 42", "vxlan 42 port 8472", "geneve", "geneve 42"))
        return f"({tunnel}{inside})"

    def _inner(self) -> str:
        tunnel = self._pick(("", "vxlan and ", "geneve and ", "gre and ", "ipip and ", "gtp and "))
        inside = self._pick(("tcp port 80", "ip", "ip6", "host 10.0.0.1", "udp", "vlan 10"))
        return f"({tunnel}inner ({inside}))"

    def _in_set(self) -> str:
        def several(pool: tuple[str, ...]) -> str:
            return ", ".join(self.random.sample(pool, self.random.randint(1, min(4, len(pool)))))

        direction, protocol = self._pick(DIRECTIONS), self._pick(("", "tcp ", "udp "))
        return self._pick((
            f"{protocol}{direction}port in {{{several(PORTS + RANGES[3:4])}}}",
            f"{direction}host in {{{several(HOSTS4 + HOSTS6)}}}",
            f"{direction}net in {{{several(NETS4[:4] + NETS6[:4])}}}",
            *(("vlan in {10, 20}",) if self.ethernet else ()),
        ))  # fmt: skip

    def _flags(self) -> str:
        return f"tcp flags {self._pick(('syn', 'syn,!ack', 'fin,ack', 'rst', '!syn'))}"

    def _small_field(self) -> str:
        return self._pick(("ttl < 5", "ttl = 64", "dscp ef", "dscp = 0", "dscp > 10"))

    def _payload(self) -> str:
        return self._pick(("payload[0:4] = 0x47455420", "payload[0] > 0", 'payload starts "GET "',
                           'payload starts "GE"', "payload[1:2] = 0x4554"))  # fmt: skip

    def _fragment(self) -> str:
        return self._pick(("frag", "frag first", "frag later"))
