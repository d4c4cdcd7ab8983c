"""Expressions of what only the default dialect has: drawn at random, and listed.

Beside tests.support.exprgen, which draws every primitive of both dialects.
"""

from __future__ import annotations

from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType
from tests.support.exprgen import HOSTS4, HOSTS6, MACS, NETS4, NETS6, PORTS, Generator

TUNNELS = ("vxlan", "vxlan port 8472", "geneve", "gre", "ipip", "gtp", "gtp 42", "mpls",
           "pppoes", "vlan", "vlan 10", "mpls 100 and mpls", "vlan and vlan",
           "gre and inner (vxlan)")  # fmt: skip
INSIDE = ("ip6", "udp", "tcp port 80", "inner (tcp or vlan)", "inner (ip6 and udp)",
          "inner (inner (ip))", "ether dst 02:00:00:00:00:02")  # fmt: skip
BY_THEMSELVES = (
    "inner (ip and tcp)", "inner (vlan 10)", "inner (inner (ip6))",
    "vxlan and vlan and inner (vlan)",
    "(vxlan) and udp", "vlan or ip and vlan 10", "not vlan and vlan 0", "mpls or ip and tcp",
    "tcp and (gre or ipip) and inner (ip)", "ether[12:2] = 0x8100", "ether[14:2] & 0xfff = 10",
    "ether[ip[0] - 53] > 0", "ether[ip6[0] - 80:4] > 9", "ether[15:4] & 1 = 0", "byte 15 > 9",
    "frag", "frag first", "frag later", "ttl < 5", "dscp = 46", "tcp[13] & 2 != 0",
    "udp[0:2] > 80", "icmp6[0] = 128", "sctp[2:2] = 80", "ip6 proto 60", "ah", "ip protochain 6",
    "ip6 protochain 17",
    "payload[0] = 71", 'payload starts "GET /"', "tcp flags syn,!ack", "vlan in {10, 20}",
)  # fmt: skip


def texts() -> list[str]:
    """Return every tunnel with everything inside, and what is tested by itself."""
    nested = [f"{tunnel} and {inside}" for tunnel in TUNNELS for inside in INSIDE]
    mac_less = ("pppoes", "mpls")  # PPP has no Ethernet address, MPLS no VLAN behind it
    return [*BY_THEMSELVES, *(t for t in nested if not (t.startswith(mac_less) and "vlan" in t)
                              and not (t.startswith("pppoes") and "ether" in t))]  # fmt: skip


class Extended(Generator):
    """Draws more of what only the default dialect has, tunnels without parentheses above all."""

    def __init__(self, seed: int, linktype: LinkType = LinkType.EN10MB) -> None:
        super().__init__(seed, Dialect.NETBPF, linktype)
        self._own = [
            self._chain, self._large_set, self._tunnelled, self._alternatives, self._rules,
            self._rare,
        ]  # fmt: skip
        self._leaves += self._own

    def own_leaf(self) -> str:
        """Return a primitive, or a few, of those that this class adds."""
        return self.random.choice(self._own)()

    def _chain(self) -> str:
        number = self._pick(("0", "6", "17", "43", "44", "51", "58", "59", "60"))
        return f"{self._pick(('', 'ip ', 'ip6 '))}{self._pick(('proto', 'protochain'))} {number}"

    def _large_set(self) -> str:
        """Sets that become tables, in braces or as neighbouring alternatives."""
        way = self._pick(("", "src ", "dst "))
        hosts = [*self.random.sample(HOSTS4, 4), *(f"10.0.0.{n}" for n in range(4, 8))]
        hosts6 = [*HOSTS6[:4], *(f"2001:db8::{n:x}" for n in range(16, 24))]
        ports = self.random.sample(PORTS, 5)
        self.random.shuffle(hosts6)
        one_way = self._pick(("src ", "dst "))
        return self._pick((
            f"{way}host in {{{', '.join(hosts)}}}",
            f"{one_way}host in {{{', '.join(hosts6)}}}",
            f"{way}port in {{{', '.join(ports)}, 100-200}}",
            "(" + " or ".join(f"{way}host {host}" for host in hosts) + ")",
            "(" + " or ".join(f"{way}port {port}" for port in ports) + ")",
            "(" + " or ".join(f"{one_way}net {host}/120" for host in ("2001:db8::", "::")) + ")",
            f"src and dst host in {{{', '.join(hosts)}}}",
            *((f"ether {way}host in {{{', '.join(MACS)}}}",) if self.ethernet else ()),
        ))  # fmt: skip

    def _tunnelled(self) -> str:
        heads = ["gre", "ipip", "gtp", "gtp 42", "geneve", "vxlan", "vxlan port 8472", "inner (ip)"]
        if self.ethernet:
            heads += ["mpls", "mpls 100", "pppoes", "vlan", "vlan 10", "vlan in {10, 90-110}"]
        parts = [self._pick(tuple(heads)) for _ in range(self.random.randint(1, 3))]
        inside = self._pick(("ip", "tcp", "udp port 53", "host 10.0.0.1", "ip6", "ip[9] = 6",
                             "inner (tcp or vlan)", "inner (gre and inner (ip))", "tcp[13] = 2",
                             "inner (inner (udp))", "ttl = 64", "frag"))  # fmt: skip
        if self.ethernet and not any(part.startswith(("mpls", "pppoes")) for part in parts):
            inside = self._pick((inside, "ether host 02:00:00:00:00:01", "ether[0] = 2", "vlan 20"))
        return " and ".join((*parts, inside))

    def _alternatives(self) -> str:
        """Neighbours, some of which make a set."""
        term = self._pick(("host", "net", "port"))
        pools = {"host": HOSTS4 + HOSTS6[:2], "net": NETS4 + NETS6[:2], "port": PORTS[:4]}
        ways = self._pick(("", "src ", "dst ")), self._pick(("", "src ", "src and dst "))
        text = self.leaf() if self.random.random() < 0.3 else "ip"
        for _ in range(self.random.randint(2, 6)):
            way = ways[self.random.random() < 0.2]
            text += self._pick((" or ", " or ", " or ", " and "))
            text += f"{way}{term} {self._pick(pools[term])}"
        return f"({text})" if self.random.random() < 0.5 else text

    def _rules(self) -> str:
        """A list that walks the network header in each of its terms, as rules do."""
        conditions: tuple[str, ...] = (
            "host 2001:db8::1",
            "ttl < 65",
            "len > 60",
            "host 10.0.0.1",
            "not ip",
            "ip6",
        )
        if self.ethernet:
            conditions += ("vlan 10", "not vlan", "ether src host 02:00:00:00:00:01")
        walking = ("tcp", "udp port 53", "not port 80", "tcp flags syn", "port in {1-90}",
                   "payload[0] = 71", "frag", "not frag later", "tcp[13] & 2 = 2", "ip6 proto 6",
                   "ip proto 17", "not icmp6", "gre", "inner (tcp)")  # fmt: skip
        terms = [
            f"({self._pick(conditions)} and {self._pick(walking)})"
            for _ in range(self.random.randint(3, 6))
        ]
        if self.random.random() < 0.3:
            terms.insert(self.random.randrange(len(terms)), self._pick(("arp", "ip6", "len < 40")))
        return f"{self._pick(('', 'not '))}({' or '.join(terms)})"

    def _rare(self) -> str:
        rare = ["frag", "ip broadcast", "sctp[0:2] = 80", "icmp6[0] = 128", "udp[8] = 71",
                "ip6[6] = 6", "ip[ip[0] & 0xf] > 2", "payload[len - 60] = 0",
                "ip[len - 60] = 69", "tcp[ip[0] - 89] = 69", "ip6[ip6[0] - 97] > 0",
                "ip[-1] = 0"]  # fmt: skip
        if self.ethernet:
            rare += ["decnet host 1.1", "decnet src 1.1", "ether[12:2] = 0x800", "ether[14:4] > 9",
                     "ether[ip[0] & 0x1f:2] = 0x800", "ether[13:4] & 1 = 0", "ether[11:2] = 8",
                     "byte 15 > 9", "iso proto 0x83", "isis proto 16"]  # fmt: skip
        return self._pick(tuple(rare))
