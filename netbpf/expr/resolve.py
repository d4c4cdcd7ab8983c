"""Turn names into numbers, and refuse numbers that are too large for their field.

After `resolve` no Name, NamedSet or (in the default dialect) IfName is left: the lowering sees
numbers only. Names are looked up by the injected resolver; protocols that pcap-filter(7) defines
are known without it. Depends on nodes, names, protocols, rewrite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netbpf.errors import ExpressionError, Span
from netbpf.expr.elements import describe, fits, list_fits, wanted
from netbpf.expr.extensions import number_range
from netbpf.expr.limits import check_limits, check_number
from netbpf.expr.listing import Listing
from netbpf.expr.names import Resolver
from netbpf.expr.nodes import (
    AddressSet,
    Dialect,
    EtherName,
    Expr,
    HostAddresses,
    Identifier,
    IfIndex,
    IfName,
    IPv4,
    Kind,
    Name,
    NamedSet,
    NetworkName,
    Number,
    Primitive,
    Proto,
    ProtoNumber,
    Qualifiers,
    Test,
    TunnelTest,
)
from netbpf.expr.ports import PortNames
from netbpf.expr.protocols import IP_PROTOCOLS, LINK_PROTOCOLS, NAME_SPACES
from netbpf.expr.rewrite import rewrite
from netbpf.expr.suggest import did_you_mean
from netbpf.expr.wording import expression_error
from netbpf.expr.words import KEYWORDS
from netbpf.proto.linktype import LinkType


def resolve(
    expr: Expr | None,
    *,
    text: str,
    dialect: Dialect,
    linktype: LinkType,
    resolver: Resolver,
    sets: Mapping[str, Sequence[Identifier]],
) -> Expr | None:
    """Return `expr` with numbers for names. Raises ExpressionError for an unknown name."""
    if expr is None:
        return None
    return rewrite(expr, _Resolution(text, dialect, linktype, resolver, sets).test)


class _Resolution:
    """One call of `resolve`. A name that occurs twice is looked up once."""

    def __init__(
        self,
        text: str,
        dialect: Dialect,
        linktype: LinkType,
        resolver: Resolver,
        sets: Mapping[str, Sequence[Identifier]],
    ) -> None:
        self._text = text
        self._dialect = dialect
        self._linktype = linktype
        self._resolver = resolver
        self._sets = sets
        self._ports = PortNames(text, dialect, resolver)
        self._hosts: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}

    def test(self, test: Test) -> Test:
        """Resolve one leaf."""
        if isinstance(test, TunnelTest) and test.named:
            test = self._vlan_set(test)
        check_limits(test, self._text)
        match test:
            case Primitive(quals, ident):
                resolved = self._identifier(quals, ident)
                if resolved is ident:
                    return test
                return Primitive(quals, resolved, test.span, test.inherited)
            case IfName(name, span) if self._dialect is Dialect.NETBPF:
                index = self._resolver.interface(name)
                if index is None:
                    raise self._unknown("interface", name, span)
                return IfIndex(index, span)
        return test

    def _identifier(self, quals: Qualifiers, ident: Identifier) -> Identifier:
        match ident:
            case Name():
                return self._name(quals, ident)
            case AddressSet(elements, span):
                return self._set(quals, elements, span)
            case NamedSet(name, span):
                return self._set(quals, self._named(name, span), span, name)
        return ident

    # -- names -------------------------------------------------------------------------------------

    def _name(self, quals: Qualifiers, name: Name) -> Identifier:
        if quals.proto is Proto.DECNET:
            kind = quals.kind or Kind.HOST
            raise self._error(f"'decnet' is not a valid qualifier for '{kind.value}'", name.span)
        match quals.kind:
            case Kind.PORT:
                return self._ports.port(name, quals.proto)
            case Kind.PORTRANGE:
                return self._ports.portrange(name, quals.proto)
            case Kind.PROTO | Kind.PROTOCHAIN:
                return self._protocol(quals, name)
            case Kind.NET:
                return self._network(name)
            case Kind.GATEWAY:
                return self._gateway(quals, name)
        if quals.proto is Proto.LINK:
            return EtherName(name.text, self._ether(name), name.span)
        return self._host(quals, name)

    def _host(self, quals: Qualifiers, name: Name) -> HostAddresses:
        if name.text not in self._hosts:
            self._hosts[name.text] = self._resolver.hosts(name.text)
        ipv4, ipv6 = self._hosts[name.text]
        if not ipv4 and not ipv6:
            words = () if quals.kind else KEYWORDS
            raise self._unknown("host", name.text, name.span, did_you_mean(name.text, words))
        return HostAddresses(name.text, ipv4, ipv6, name.span)

    def _ether(self, name: Name) -> int:
        address = self._resolver.ether(name.text)
        if address is None:
            hint = "names of Ethernet addresses are those of /etc/ethers"
            raise self._unknown("Ethernet-level host name", name.text, name.span, hint)
        return address

    def _gateway(self, quals: Qualifiers, name: Name) -> HostAddresses:
        ether = self._ether(name)
        host = self._host(quals, name)
        return HostAddresses(host.text, host.ipv4, host.ipv6, host.span, ether)

    def _network(self, name: Name) -> NetworkName:
        number = self._resolver.network(name.text)
        if not number:
            hint = "names of networks are those of /etc/networks"
            raise self._unknown("network", name.text, name.span, hint)
        return NetworkName(name.text, number, name.span)

    def _protocol(self, quals: Qualifiers, name: Name) -> ProtoNumber:
        known = NAME_SPACES.get(quals.proto, {})
        number = known.get(name.text)
        if number is None and quals.proto in (None, Proto.IP, Proto.IP6):
            number = self._resolver.protocol(name.text)
        if number is None:
            assert quals.kind is not None
            words = f"{quals.proto.value} " if quals.proto else ""
            message = f"unknown '{words}{quals.kind.value}' value '{name.text}'"
            raise self._error(message, name.span, _protocol_hint(name.text, quals, known))
        return ProtoNumber(name.text, int(number), name.span)

    # -- sets --------------------------------------------------------------------------------------

    def _set(
        self, quals: Qualifiers, elements: Sequence[Identifier], span: Span, name: str = ""
    ) -> AddressSet:
        """Resolve a set. The elements of a named one stand nowhere in the text but at its name."""
        if quals.kind is Kind.GATEWAY:
            raise self._error("'gateway' takes no set", span)
        if isinstance(elements, Listing) and list_fits(quals, elements):
            return AddressSet(elements, span)
        resolved: list[Identifier] = []
        for element in elements:
            where = span if name else element.span
            if isinstance(element, Name):
                found = Name(element.text, element.escaped, where)
                resolved.append(self._element_name(quals, found))
            elif isinstance(element, Number):
                resolved.append(self._element_number(quals, element.value, where))
            elif fits(quals, element):
                resolved.append(element)
            else:
                source = f" of set '{name}'" if name else ""
                message = f"{describe(element)}{source} is not {wanted(quals)}"
                hint = "for networks write 'net in'" if quals.kind in (None, Kind.HOST) else ""
                raise self._error(message, where, hint)
        return AddressSet(tuple(resolved), span)

    def _named(self, name: str, span: Span) -> Sequence[Identifier]:
        if name not in self._sets:
            message = f"there is no set '{name}'"
            raise self._error(message, span, did_you_mean(name, self._sets))
        return self._sets[name]

    def _vlan_set(self, test: TunnelTest) -> TunnelTest:
        members: list[tuple[int, int]] = []
        for element in self._named(test.named, test.span):
            found = None
            if isinstance(element, Number):
                found = (element.value, element.value)
            elif isinstance(element, Name):
                found = number_range(element.text)
            if found is None:
                message = f"{describe(element)} of set '{test.named}' is not a VLAN number"
                raise self._error(message, test.span)
            members.append(found)
        if not members:
            raise self._error(f"set '{test.named}' is empty", test.span)
        return TunnelTest(test.tunnel, None, test.span, members=tuple(sorted(members)))

    def _element_name(self, quals: Qualifiers, name: Name) -> Identifier:
        if quals.kind in (Kind.PORT, Kind.PORTRANGE):
            return self._ports.element(name, quals.proto)
        return self._name(quals, name)

    def _element_number(self, quals: Qualifiers, value: int, where: Span) -> Identifier:
        """Give a number the form that its kind has in dots: a host has 32 bits, a net fewer."""
        match quals.kind:
            case None | Kind.HOST | Kind.NET if quals.proto is not Proto.DECNET:
                bits = 32
                if quals.kind is Kind.NET and value:
                    bits = (value.bit_length() + 7) // 8 * 8
                return IPv4(str(value), value, bits, where)
        number = Number(value, where)
        check_number(quals, number, self._text)
        return number

    # -- errors ------------------------------------------------------------------------------------

    def _unknown(self, what: str, name: str, span: Span, hint: str = "") -> ExpressionError:
        return self._error(f"unknown {what} '{name}'", span, self._resolver.excuse or hint)

    def _error(self, message: str, span: Span, hint: str = "") -> ExpressionError:
        return expression_error(message, text=self._text, span=span, hint=hint)


def _protocol_hint(name: str, quals: Qualifiers, known: Mapping[str, int]) -> str:
    if quals.proto is Proto.LINK and name in IP_PROTOCOLS:
        return f"'{name}' is an IP protocol: ip proto \\{name}"
    if quals.proto is not Proto.LINK and name in LINK_PROTOCOLS:
        return f"'{name}' is a link-layer protocol: ether proto \\{name}"
    return did_you_mean(name, known)
