"""The words of the language: what each keyword and each named number stands for.

Sources: pcap-filter(7); for numbers the RFC beside the row. Words are case-sensitive.
Neighbours: the lexer looks words up here, `suggest` guesses among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netbpf.expr.nodes import BoolOp, Direction, Kind, Proto, Tunnel
from netbpf.expr.tokens import Fact, T

PROTOCOLS: Final[Mapping[str, Proto]] = {
    **{proto.value: proto for proto in Proto},
    "ether": Proto.LINK,
    "ppp": Proto.LINK,
    "slip": Proto.LINK,
    "fddi": Proto.LINK,
    "tr": Proto.LINK,
    "wlan": Proto.LINK,
    "es-is": Proto.ESIS,
    "is-is": Proto.ISIS,
}

DIRECTIONS: Final[Mapping[str, Direction]] = {
    "src": Direction.SRC,
    "dst": Direction.DST,
    "addr1": Direction.ADDR1,
    "address1": Direction.ADDR1,
    "addr2": Direction.ADDR2,
    "address2": Direction.ADDR2,
    "addr3": Direction.ADDR3,
    "address3": Direction.ADDR3,
    "addr4": Direction.ADDR4,
    "address4": Direction.ADDR4,
    "ra": Direction.RA,
    "ta": Direction.TA,
}

KINDS: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind}

TUNNELS: Final[Mapping[str, Tunnel]] = {
    tunnel.value: tunnel
    for tunnel in (
        Tunnel.VLAN,
        Tunnel.MPLS,
        Tunnel.PPPOED,
        Tunnel.PPPOES,
        Tunnel.GENEVE,
        Tunnel.VXLAN,
    )
}

# Keywords of link types that netbpf does not read. The fact is the name in messages.
_WLAN: Final = {
    "type": "type/subtype",
    "subtype": "type/subtype",
    "dir": "dir",
    "direction": "dir",
}
_PF_NUMBERS: Final = {
    "rnr": "rnr",
    "rulenum": "rnr",
    "srnr": "srnr",
    "subrulenum": "srnr",
}
_PF_NAMES: Final = {
    "rset": "rset",
    "ruleset": "rset",
    "reason": "reason",
    "action": "action",
}
_ATM: Final = (
    "lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic",
    "connectmsg", "metaconnect",
)  # fmt: skip
_ATM_FIELDS: Final = ("vpi", "vci")
_SS7: Final = {
    "fisu": "fisu",
    "lssu": "lssu",
    "lsu": "lssu",
    "msu": "msu",
    "hfisu": "hfisu",
    "hlssu": "hlssu",
    "hmsu": "hmsu",
}
_SS7_FIELDS: Final = ("sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls")

KEYWORDS: Final[Mapping[str, tuple[T, Fact]]] = {
    **{word: (T.PROTO, proto) for word, proto in PROTOCOLS.items()},
    **{word: (T.DIRECTION, direction) for word, direction in DIRECTIONS.items()},
    **{word: (T.KIND, kind) for word, kind in KINDS.items()},
    **{word: (T.TUNNEL, tunnel) for word, tunnel in TUNNELS.items()},
    "mask": (T.MASK, None),
    "less": (T.LESS, None),
    "greater": (T.GREATER, None),
    "byte": (T.BYTE, None),
    "broadcast": (T.BROADCAST, None),
    "multicast": (T.MULTICAST, None),
    "len": (T.LENGTH, None),
    "length": (T.LENGTH, None),
    "inbound": (T.INBOUND, None),
    "outbound": (T.OUTBOUND, None),
    "ifindex": (T.IFINDEX, None),
    "ifname": (T.IFNAME, None),
    "on": (T.IFNAME, None),
    "llc": (T.LLC, None),
    "and": (T.AND, BoolOp.AND),
    "or": (T.OR, BoolOp.OR),
    "not": (T.NOT, None),
    **{word: (T.WLAN, name) for word, name in _WLAN.items()},
    **{word: (T.RULE_NUMBER, name) for word, name in _PF_NUMBERS.items()},
    **{word: (T.RULE_NAME, name) for word, name in _PF_NAMES.items()},
    **{word: (T.ATM, word) for word in _ATM},
    **{word: (T.ATM_FIELD, word) for word in _ATM_FIELDS},
    **{word: (T.SS7, name) for word, name in _SS7.items()},
    **{word: (T.SS7_FIELD, word) for word in _SS7_FIELDS},
}

TCP_FLAGS: Final[Mapping[str, int]] = {  # RFC 9293 §3.1, byte 13
    "fin":  0x01,
    "syn":  0x02,
    "rst":  0x04,
    "push": 0x08,
    "ack":  0x10,
    "urg":  0x20,
    "ece":  0x40,
    "cwr":  0x80,
}  # fmt: skip

CONSTANTS: Final[Mapping[str, int]] = {
    "tcpflags": 13,  # RFC 9293 §3.1: the byte of the flags
    **{f"tcp-{flag}": bit for flag, bit in TCP_FLAGS.items()},
    "icmptype": 0,  # RFC 792: the byte of the type
    "icmpcode": 1,
    "icmp-echoreply":      0,   # RFC 792, as the rows below unless said otherwise
    "icmp-unreach":        3,
    "icmp-sourcequench":   4,
    "icmp-redirect":       5,
    "icmp-echo":           8,
    "icmp-routeradvert":   9,   # RFC 1256
    "icmp-routersolicit":  10,  # RFC 1256
    "icmp-timxceed":       11,
    "icmp-paramprob":      12,
    "icmp-tstamp":         13,
    "icmp-tstampreply":    14,
    "icmp-ireq":           15,
    "icmp-ireqreply":      16,
    "icmp-maskreq":        17,  # RFC 950
    "icmp-maskreply":      18,  # RFC 950
    "icmp6type": 0,  # RFC 4443 §2.1: the byte of the type
    "icmp6code": 1,
    "icmp6-destinationunreach":        1,    # RFC 4443
    "icmp6-packettoobig":              2,    # RFC 4443
    "icmp6-timeexceeded":              3,    # RFC 4443
    "icmp6-parameterproblem":          4,    # RFC 4443
    "icmp6-echo":                      128,  # RFC 4443
    "icmp6-echoreply":                 129,  # RFC 4443
    "icmp6-multicastlistenerquery":    130,  # RFC 2710
    "icmp6-multicastlistenerreportv1": 131,  # RFC 2710
    "icmp6-multicastlistenerdone":     132,  # RFC 2710
    "icmp6-routersolicit":             133,  # RFC 4861
    "icmp6-routeradvert":              134,  # RFC 4861
    "icmp6-neighborsolicit":           135,  # RFC 4861
    "icmp6-neighboradvert":            136,  # RFC 4861
    "icmp6-redirect":                  137,  # RFC 4861
    "icmp6-routerrenum":               138,  # RFC 2894
    "icmp6-nodeinformationquery":      139,  # RFC 4620
    "icmp6-nodeinformationresponse":   140,  # RFC 4620
    "icmp6-ineighbordiscoverysolicit": 141,  # RFC 3122
    "icmp6-ineighbordiscoveryadvert":  142,  # RFC 3122
    "icmp6-multicastlistenerreportv2": 143,  # RFC 3810
    "icmp6-homeagentdiscoveryrequest": 144,  # RFC 6275
    "icmp6-homeagentdiscoveryreply":   145,  # RFC 6275
    "icmp6-mobileprefixsolicit":       146,  # RFC 6275
    "icmp6-mobileprefixadvert":        147,  # RFC 6275
    "icmp6-certpathsolicit":           148,  # RFC 3971
    "icmp6-certpathadvert":            149,  # RFC 3971
    "icmp6-multicastrouteradvert":     151,  # RFC 4286
    "icmp6-multicastroutersolicit":    152,  # RFC 4286
    "icmp6-multicastrouterterm":       153,  # RFC 4286
}  # fmt: skip

LLC_KINDS: Final = (  # IEEE 802.2 §5.4: i, s and u are formats, the others types of s and u frames
    "i", "s", "u", "rr", "rnr", "rej", "ui", "ua", "disc", "dm", "sabme", "test", "xid", "frmr",
)  # fmt: skip

WLAN_TYPES: Final = ("data", "mgt", "management", "ctl", "control")  # IEEE 802.11
WLAN_SUBTYPES: Final = (
    "assocreq", "assoc-req", "assocresp", "assoc-resp", "reassocreq", "reassoc-req",
    "reassocresp", "reassoc-resp", "probereq", "probe-req", "proberesp", "probe-resp", "beacon",
    "atim", "disassoc", "disassociation", "auth", "authentication", "deauth", "deauthentication",
    "bar", "ba", "ps-poll", "rts", "cts", "ack", "cf-end", "cf-end-ack",
    "data", "data-cf-ack", "data-cf-poll", "data-cf-ack-poll", "null", "cf-ack", "cf-poll",
    "cf-ack-poll", "qos-data", "qos-data-cf-ack", "qos-data-cf-poll", "qos-data-cf-ack-poll",
    "qos", "qos-cf-poll", "qos-cf-ack-poll",
)  # fmt: skip
WLAN_DIRECTIONS: Final = ("nods", "tods", "fromds", "dstods")

DSCP: Final[Mapping[str, int]] = {
    "be": 0,  # RFC 2474
    **{f"cs{n}": n << 3 for n in range(8)},  # RFC 2474 §4.2.2
    **{f"af{n}{m}": n << 3 | m << 1 for n in range(1, 5) for m in range(1, 4)},  # RFC 2597 §6
    "va": 44,  # RFC 5865
    "ef": 46,  # RFC 3246
    "le": 1,  # RFC 8622
}

EXTENSIONS: Final = (  # the default dialect's own words; not reserved, see parser
    "inner", "gre", "ipip", "gtp", "payload", "ttl", "dscp", "frag",
)  # fmt: skip
