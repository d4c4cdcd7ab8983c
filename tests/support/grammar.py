"""Random texts by pcap-filter's grammar, and by a slip of the hand.

Unlike tests.support.exprgen, which makes meaningful expressions, this aims at the parser: odd
parentheses, inherited qualifiers, arithmetic of any shape, and words that do not belong.
"""

from __future__ import annotations

import random

from netbpf.expr.words import CONSTANTS, EXTENSIONS, KEYWORDS

HOSTS = ("1.2.3.4", "10.0", "::1", "2001:db8::1", "0x0a000001")
NETS = ("10.0.0.0/8", "192.168", "10.0.0.0 mask 255.0.0.0", "fe80::/10", "10")
PORTS = ("80", "443", "0x50", "(80)", "((80))")
RANGES = ("80-90", "90-80", "80")
PLAIN = ("tcp", "ip", "ip6", "arp", "not udp", "vlan", "vlan 5", "mpls (7)", "pppoes 3", "less 5",
         "broadcast", "ip multicast", "src 1.2.3.4", "ether host 1:2:3:4:5:6", "llc rr", "iso",
         "byte 5 & 1", "ip proto 6",
         "proto \\tcp", "ether proto 0x800", "ip protochain 6")  # fmt: skip
VALUES = ("1", "80", "0x10", "tcp-syn", "len", "tcp[0]", "ip[1:2]", "icmp[icmptype]", "ether[0:4]")
OPERATORS = ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>")
RELATIONS = ("=", "==", "!=", "<", "<=", ">", ">=")
EXTRA = (
    'payload starts "GET "', "payload[0:4] = 5", "ttl < 5", "dscp ef", "dscp = af11", "frag later",
    "tcp flags syn,!ack", "inner (tcp)", "gre", "ipip", "gtp 5", "vxlan 42 port 8472",
    "port in {80, 443, 8000-8099}", "src net in {10.0.0.0/8, fe80::/10}", "host in @list",
    "vlan in {10, 20-30}", "ifname eth0", "ip proto tcp",
)  # fmt: skip
PUNCTUATION = ("(", ")", "[", "]", ":", "!", "&&", "||", "{", "}", ",", "@", '"', "\\", "$1f", "-")


class Texts:
    """Draws texts. The same seed gives the same ones."""

    def __init__(self, seed: int, *, extended: bool = False) -> None:
        self.random = random.Random(seed)
        self.extended = extended
        self.words = (
            *KEYWORDS, *CONSTANTS, *EXTENSIONS, *HOSTS, *NETS, *PORTS, *RANGES, *OPERATORS,
            *RELATIONS, *PUNCTUATION, *PUNCTUATION, "foo", "in", "flags", "starts", "ef", "\\tcp",
        )  # fmt: skip

    def expression(self, depth: int = 4) -> str:
        """Return a text that follows the grammar; qualifiers may still be missing or wrong."""
        parts = [self.term(depth)]
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            parts.append(self.random.choice(("and", "or", "&&", "||")))
            if self.random.random() < 0.3:
                parts.append(self.identifier(self.random.choice((HOSTS, PORTS)), depth))
            else:
                parts.append(self.term(depth))
        return " ".join(parts)

    def term(self, depth: int) -> str:
        """Return a term."""
        draw = self.random.random()
        if depth <= 0 or draw < 0.2:
            return self.random.choice(PLAIN + (EXTRA if self.extended else ()))
        if draw < 0.6:
            return self.qualified(depth)
        if draw < 0.75:
            return f"{self.value(3)} {self.random.choice(RELATIONS)} {self.value(3)}"
        if draw < 0.8:
            return f"not {self.term(depth - 1)}"
        return f"({self.expression(depth - 1)})"

    def qualified(self, depth: int) -> str:
        """Return a primitive with qualifiers."""
        direction = self.random.choice(("", "", "src ", "dst ", "src or dst ", "dst and src "))
        kind, pool = self.random.choice(
            (("host", HOSTS), ("net", NETS), ("port", PORTS), ("portrange", RANGES))
        )
        protos = ("", "tcp ", "udp ") if "port" in kind else ("", "", "ip ", "arp ")
        proto = self.random.choice(protos)
        return f"{proto}{direction}{kind} {self.identifier(pool, depth)}"

    def identifier(self, pool: tuple[str, ...], depth: int) -> str:
        """Return an identifier, or a parenthesis of them."""
        draw = self.random.random()
        if depth <= 0 or draw < 0.8:
            return self.random.choice(pool)
        if draw < 0.85:
            return f"not {self.identifier(pool, depth - 1)}"
        more = "".join(
            f" {self.random.choice(('and', 'or'))} {self.identifier(pool, depth - 1)}"
            for _ in range(self.random.randint(0, 2))
        )
        return f"({self.identifier(pool, depth - 1)}{more})"

    def value(self, depth: int) -> str:
        """Return arithmetic."""
        draw = self.random.random()
        if depth <= 0 or draw < 0.4:
            return self.random.choice(VALUES)
        if draw < 0.5:
            return f"- {self.value(depth - 1)}"
        if draw < 0.65:
            return f"({self.value(depth - 1)})"
        if draw < 0.7:
            return f"ip[{self.value(depth - 1)}]"
        op = self.random.choice(OPERATORS)
        return f"{self.value(depth - 1)} {op} {self.value(depth - 1)}"

    def slip(self, text: str) -> str:
        """Return the text with a word or two lost, doubled, swapped, or replaced."""
        words = text.replace("(", " ( ").replace(")", " ) ").split()
        for _ in range(self.random.randint(1, 2)):
            if not words:
                break
            at = self.random.randrange(len(words))
            match self.random.randrange(4):
                case 0:
                    words.pop(at)
                case 1:
                    words.insert(at, self.random.choice(self.words))
                case 2:
                    words[at] = self.random.choice(self.words)
                case _:
                    other = self.random.randrange(len(words))
                    words[at], words[other] = words[other], words[at]
        return " ".join(words)

    def soup(self) -> str:
        """Return words in no order, with or without spaces between them."""
        space = self.random.choice((" ", " ", "", "\t"))
        return space.join(self.random.choices(self.words, k=self.random.randint(1, 12)))

    def noise(self) -> str:
        """Return characters in no order: of the language, of bytes, or of all of Unicode."""
        length = self.random.randint(1, 40)
        match self.random.randrange(3):
            case 0:
                pool = " ()[]{}!&|=<>:/.,-+*%^@$\\\"'0123456789abcdefnorthx\0\n"
                return "".join(self.random.choices(pool, k=length))
            case 1:
                return self.random.randbytes(length).decode("latin-1")
        return "".join(chr(self.random.randrange(0x110000)) for _ in range(length))
