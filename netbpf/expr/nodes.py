"""The syntax tree of an expression.

What the parser builds and `resolve` rewrites: after resolve no `Name` is left, the lowering sees
numbers only. Every node carries the span of the text that it came from.

A boolean expression is a `Chain`, because `and` and `or` have equal precedence and associate to
the left (pcap-filter(7)): `a or b and c` is Chain(a, ((OR, b), (AND, c))), that is (a or b) and c.
A parenthesis is a Chain of its own, even around one term, when it matters to scoping (default
dialect: tunnels); redundant ones are collapsed. No function in expr may recurse over nesting.
Depends on errors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from netbpf.errors import Span
from netbpf.ir.program import AluOp
from netbpf.records import dataclass


class Dialect(Enum):
    """Which meaning an expression has; see docs/language."""

    NETBPF = "netbpf"
    PCAP = "pcap"


class Proto(Enum):
    """Protocol keywords (libpcap's pname); the value is the word, aliases map to it."""

    LINK = "link"  # also ether, ppp, slip, fddi, tr, wlan
    IP = "ip"
    ARP = "arp"
    RARP = "rarp"
    SCTP = "sctp"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    IGMP = "igmp"
    IGRP = "igrp"
    PIM = "pim"
    VRRP = "vrrp"
    CARP = "carp"
    ATALK = "atalk"
    AARP = "aarp"
    DECNET = "decnet"
    LAT = "lat"
    SCA = "sca"
    MOPDL = "mopdl"
    MOPRC = "moprc"
    IP6 = "ip6"
    ICMP6 = "icmp6"
    AH = "ah"
    ESP = "esp"
    ISO = "iso"
    ESIS = "esis"
    ISIS = "isis"
    L1 = "l1"
    L2 = "l2"
    IIH = "iih"
    LSP = "lsp"
    SNP = "snp"
    PSNP = "psnp"
    CSNP = "csnp"
    CLNP = "clnp"
    STP = "stp"
    IPX = "ipx"
    NETBEUI = "netbeui"
    RADIO = "radio"


class Direction(Enum):
    """Direction qualifiers."""

    SRC = "src"
    DST = "dst"
    OR = "src or dst"
    AND = "src and dst"
    ADDR1 = "addr1"
    ADDR2 = "addr2"
    ADDR3 = "addr3"
    ADDR4 = "addr4"
    RA = "ra"
    TA = "ta"


class Kind(Enum):
    """What an identifier names."""

    HOST = "host"
    NET = "net"
    PORT = "port"
    PORTRANGE = "portrange"
    PROTO = "proto"
    PROTOCHAIN = "protochain"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """The qualifiers of a primitive; None where the text gives none."""

    proto: Proto | None = None
    direction: Direction | None = None
    kind: Kind | None = None


# -- identifiers: what a primitive's qualifiers qualify ------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A bare number: `port 80`, `proto 6`, `net 10`, `decnet host 1`."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A name not resolved yet. `escaped` when written with a backslash."""

    text: str
    escaped: bool
    span: Span


@dataclass(frozen=True, slots=True)
class IPv4:
    """A dotted IPv4 address or prefix (`10.1` as a net), with /length or a mask, if any.

    `value` is the address as written, `bits` how many of its leading bits the dots spell (8 per
    number, so 16 for `10.1`); the value is then right-aligned in those bits, as libpcap's
    __pcap_atoin gives it. `length` is the prefix length after a slash; `mask` and `mask_bits` the
    dotted mask in the same form. At most one of length and mask is given.
    """

    text: str
    value: int
    bits: int
    span: Span
    length: int | None = None
    mask: int | None = None
    mask_bits: int = 0


@dataclass(frozen=True, slots=True)
class IPv6:
    """An IPv6 address as a 128-bit number, with a prefix length if one is written."""

    text: str
    value: int
    span: Span
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Mac:
    """A 48-bit Ethernet address as a number."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class ArcnetAddress:
    """`$xx`: parsed so that it can be refused in words (no ARCnet link type here)."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """A host name, resolved: its IPv4 then IPv6 addresses; `ether` for `gateway`."""

    text: str
    ipv4: tuple[int, ...]
    ipv6: tuple[int, ...]
    span: Span
    ether: int | None = None


@dataclass(frozen=True, slots=True)
class EtherName:
    """A name of an Ethernet address (/etc/ethers), resolved."""

    text: str
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class NetworkName:
    """A network name (/etc/networks), resolved to an IPv4 number as written there."""

    text: str
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class PortRange:
    """A port or an inclusive range (low <= high), resolved.

    `proto` is TCP, UDP or SCTP when a service name exists for one of them only, else None.
    """

    text: str
    low: int
    high: int
    span: Span
    proto: Proto | None = None


@dataclass(frozen=True, slots=True)
class ProtoNumber:
    """A protocol name, resolved in the name space that the qualifiers select."""

    text: str
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class AddressSet:
    """`in {…}` or `in @name`, resolved: the elements in the order written.

    A tuple, or the Listing of a long list (expr.listing).
    """

    elements: Sequence[Identifier]
    span: Span


@dataclass(frozen=True, slots=True)
class NamedSet:
    """`@name`, before resolve."""

    name: str
    span: Span


Identifier = (
    Number | Name | IPv4 | IPv6 | Mac | ArcnetAddress | HostAddresses | EtherName | NetworkName
    | PortRange | ProtoNumber | AddressSet | NamedSet
)  # fmt: skip


# -- arithmetic ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Num:
    """A constant; named values (tcp-syn, icmptype …) are numbers here, `word` the name written."""

    value: int
    span: Span
    word: str = ""


@dataclass(frozen=True, slots=True)
class Length:
    """`len`: the packet's length on the wire, bytes."""

    span: Span


@dataclass(frozen=True, slots=True)
class PacketBytes:
    """`proto[index:size]`; `proto` None is the extension `payload`."""

    proto: Proto | None
    index: Arith
    size: int
    span: Span


@dataclass(frozen=True, slots=True)
class HeaderField:
    """Extension: `ttl` (IPv4 TTL or IPv6 hop limit), `dscp` (0..63)."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """a op b."""

    op: AluOp
    left: Arith
    right: Arith
    span: Span


@dataclass(frozen=True, slots=True)
class Negate:
    """Two's complement of a value."""

    operand: Arith
    span: Span


Arith = Num | Length | PacketBytes | HeaderField | Binary | Negate


class RelOp(Enum):
    """Relations; unsigned."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


# -- tests: the leaves of the boolean expression ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Primitive:
    """`[proto] [dir] [kind] id`. `inherited` when the qualifiers come from an earlier term."""

    quals: Qualifiers
    ident: Identifier
    span: Span
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Keyword:
    """A protocol keyword alone: `tcp`, `ip6`, `stp`."""

    proto: Proto
    span: Span


@dataclass(frozen=True, slots=True)
class Relation:
    """left op right."""

    op: RelOp
    left: Arith
    right: Arith
    span: Span


@dataclass(frozen=True, slots=True)
class Broadcast:
    """`[ether|ip] broadcast`."""

    proto: Proto | None
    span: Span


@dataclass(frozen=True, slots=True)
class Multicast:
    """`[ether|ip|ip6] multicast`."""

    proto: Proto | None
    span: Span


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """`less N` (len <= N) or `greater N` (len >= N)."""

    greater: bool
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class ByteTest:
    """`byte N op VALUE`, op one of & | < > =: libpcap's undocumented primitive."""

    offset: int
    op: str
    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class Inbound:
    """`inbound`, `outbound`."""

    outbound: bool
    span: Span


@dataclass(frozen=True, slots=True)
class IfIndex:
    """`ifindex N`, or `ifname NAME` resolved (default dialect)."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True)
class IfName:
    """`ifname NAME` before resolve; the pcap dialect refuses it as libpcap does."""

    name: str
    span: Span


class Tunnel(Enum):
    """Tags and encapsulations that have a keyword."""

    VLAN = "vlan"
    MPLS = "mpls"
    PPPOED = "pppoed"
    PPPOES = "pppoes"
    GENEVE = "geneve"
    VXLAN = "vxlan"
    GRE = "gre"  # extension
    IPIP = "ipip"  # extension
    GTP = "gtp"  # extension


@dataclass(frozen=True, slots=True)
class TunnelTest:
    """`vlan [N]`, `mpls [N]`, `pppoes [N]`, `geneve [N]`, `vxlan [N] [port P]`, `gre`, ….

    `ident` is the VLAN id, label, session, VNI or TEID; `members` the set of `vlan in {…}` as
    inclusive ranges; `port` the UDP port of `vxlan … port N`. `named` is the set's name in
    `vlan in @name`; resolve turns it into members.
    """

    tunnel: Tunnel
    ident: int | None
    span: Span
    members: tuple[tuple[int, int], ...] = ()
    port: int | None = None
    named: str = ""


@dataclass(frozen=True, slots=True)
class Llc:
    """`llc`, `llc i|s|u|rr|rnr|rej|ui|ua|disc|dm|sabme|test|xid|frmr`; `kind` '' for plain."""

    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A keyword of a link type that netbpf does not read (802.11, ATM, SS7, PF).

    `family` is 'wlan', 'atm', 'ss7' or 'pf'; lowering refuses it in libpcap's words.
    """

    family: str
    keyword: str
    span: Span


@dataclass(frozen=True, slots=True)
class Inner:
    """Extension: `inner (EXPR)`."""

    expr: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class TcpFlags:
    """Extension: `tcp flags syn,!ack`: all of `set` are 1 and all of `clear` are 0 (byte 13)."""

    set: int
    clear: int
    span: Span


@dataclass(frozen=True, slots=True)
class PayloadStarts:
    """Extension: `payload starts "GET "`: the transport payload begins with these bytes."""

    prefix: bytes
    span: Span


class FragmentKind(Enum):
    """`frag` asks for one of these."""

    ANY = "any"  # any fragment of a fragmented packet
    FIRST = "first"  # offset 0, more to come
    LATER = "later"  # offset > 0


@dataclass(frozen=True, slots=True)
class Fragment:
    """Extension: `frag`, `frag first`, `frag later`."""

    kind: FragmentKind
    span: Span


Test = (
    Primitive | Keyword | Relation | Broadcast | Multicast | LengthLimit | ByteTest | Inbound
    | IfIndex | IfName | TunnelTest | Llc | Unsupported | Inner | TcpFlags | PayloadStarts
    | Fragment
)  # fmt: skip


class BoolOp(Enum):
    """How a chain goes on."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Not:
    """`not term`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Chain:
    """first op term op term …, left-associative, equal precedence."""

    first: Expr
    rest: tuple[tuple[BoolOp, Expr], ...]
    span: Span


Expr = Test | Not | Chain
