"""Tunnels: the numbers that announce them, and their headers' fixed parts.

Sources: IEEE 802.1Q-2018, RFC 3032 (MPLS), 2516 (PPPoE), 7348 (VXLAN), 8926 (Geneve), 2784 and
2890 (GRE), 3GPP TS 29.281 (GTP-U).
"""

from __future__ import annotations

TAG_LENGTH = 4  # a VLAN tag: two bytes of TPID, two of priority and VLAN identifier
VLAN_ID = 0x0FFF  # mask

LABEL_LENGTH = 4  # an MPLS label stack entry
LABEL_MOST = 0xFFFFF
LABEL_SHIFT = 12  # below it: traffic class, bottom of stack, TTL

PPPOE_LENGTH = 6
PPPOE_SESSION = 2  # offset of the session identifier

UDP_LENGTH = 8

VXLAN_PORT = 4789
VXLAN_LENGTH = 8
VXLAN_FLAGS = 0x08  # the first byte: the VNI is valid, and nothing else

GENEVE_PORT = 6081
GENEVE_LENGTH = 8  # and options
GENEVE_VERSION = 0xC0  # mask of the first byte; must be 0
GENEVE_OPTIONS = 0x3F  # mask of the first byte: words of 4 bytes
GENEVE_PROTOCOL = 2  # offset of the payload's EtherType

VNI_OFFSET = 4  # of the word with the network identifier, in VXLAN and Geneve
VNI_MOST = 0xFFFFFF
VNI_SHIFT = 8

GRE_LENGTH = 4  # and 4 for each option
GRE_PROTOCOL = 2  # offset of the payload's EtherType
GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE = 0x8000, 0x2000, 0x1000  # options, of the first two bytes
GRE_UNREADABLE = 0x4007  # routing (RFC 1701), or a version other than 0

GTP_PORT = 2152
GTP_LENGTH = 8
GTP_VERSION = 0x30  # the first byte under GTP_VERSION_MASK: version 1, GTP rather than GTP'
GTP_VERSION_MASK = 0xF0
GTP_OPTIONAL = 0x07  # extension, sequence, N-PDU number: any of them adds four bytes
GTP_EXTENDED = 0x04
GTP_G_PDU = 255  # message type: a user's packet
GTP_TEID = 4  # offset of the tunnel endpoint identifier
GTP_EXTENSIONS = 4  # as many extension headers are walked
