"""The most usual services, for machines without /etc/services.

Source: IANA's service-name and port-number registry, with the transports that are in use.
Read by names.SystemResolver only, for names that the system does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

TRANSPORTS: Final = ("tcp", "udp", "sctp")
_TCP: Final = ("tcp",)
_UDP: Final = ("udp",)
_BOTH: Final = ("tcp", "udp")


class Service(NamedTuple):
    """A service's port and the transports that it has it on."""

    port: int
    transports: tuple[str, ...]


SERVICES: Final[Mapping[str, Service]] = {
    "echo":         Service(7, _BOTH),
    "discard":      Service(9, _BOTH),
    "ftp-data":     Service(20, _TCP),
    "ftp":          Service(21, _TCP),
    "ssh":          Service(22, _TCP),
    "telnet":       Service(23, _TCP),
    "smtp":         Service(25, _TCP),
    "time":         Service(37, _BOTH),
    "whois":        Service(43, _TCP),
    "tacacs":       Service(49, _BOTH),
    "domain":       Service(53, _BOTH),
    "bootps":       Service(67, _UDP),
    "bootpc":       Service(68, _UDP),
    "tftp":         Service(69, _UDP),
    "finger":       Service(79, _TCP),
    "http":         Service(80, _TCP),
    "kerberos":     Service(88, _BOTH),
    "pop3":         Service(110, _TCP),
    "sunrpc":       Service(111, _BOTH),
    "nntp":         Service(119, _TCP),
    "ntp":          Service(123, _UDP),
    "netbios-ns":   Service(137, _UDP),
    "netbios-dgm":  Service(138, _UDP),
    "netbios-ssn":  Service(139, _TCP),
    "imap2":        Service(143, _TCP),
    "imap":         Service(143, _TCP),
    "snmp":         Service(161, _BOTH),
    "snmp-trap":    Service(162, _BOTH),
    "bgp":          Service(179, _TCP),
    "irc":          Service(194, _BOTH),
    "ldap":         Service(389, _BOTH),
    "https":        Service(443, _BOTH),
    "microsoft-ds": Service(445, _BOTH),
    "isakmp":       Service(500, _UDP),
    "syslog":       Service(514, _UDP),
    "printer":      Service(515, _TCP),
    "rtsp":         Service(554, _BOTH),
    "submission":   Service(587, _TCP),
    "ipp":          Service(631, _TCP),
    "ldaps":        Service(636, _BOTH),
    "domain-s":     Service(853, _BOTH),
    "rsync":        Service(873, _TCP),
    "imaps":        Service(993, _TCP),
    "pop3s":        Service(995, _TCP),
    "socks":        Service(1080, _TCP),
    "openvpn":      Service(1194, _BOTH),
    "ms-sql-s":     Service(1433, _TCP),
    "radius":       Service(1812, _BOTH),
    "radius-acct":  Service(1813, _BOTH),
    "nfs":          Service(2049, _BOTH),
    "mysql":        Service(3306, _TCP),
    "ipsec-nat-t":  Service(4500, _UDP),
    "sip":          Service(5060, _BOTH),
    "sip-tls":      Service(5061, _BOTH),
    "xmpp-client":  Service(5222, _TCP),
    "mdns":         Service(5353, _UDP),
    "postgresql":   Service(5432, _TCP),
    "amqp":         Service(5672, ("tcp", "sctp")),
    "http-alt":     Service(8080, _BOTH),
}  # fmt: skip
