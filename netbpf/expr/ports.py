"""Ports and port ranges by name: `port http`, `portrange 1024-http`, elements of sets.

A service that exists for one transport only restricts the primitive to it, as in libpcap.
Depends on nodes, names. Neighbour: resolve.
"""

from __future__ import annotations

from typing import Final

from netbpf.errors import ExpressionError
from netbpf.expr.lexer import read_number
from netbpf.expr.names import Resolver
from netbpf.expr.nodes import Dialect, Name, PortRange, Proto
from netbpf.expr.suggest import did_you_mean
from netbpf.expr.wording import expression_error
from netbpf.records import dataclass

MAXIMUM: Final = 65535
_TRANSPORTS: Final = (Proto.TCP, Proto.UDP, Proto.SCTP)


@dataclass(frozen=True, slots=True)
class PortNames:
    """Looks ports up for primitives of one expression."""

    text: str
    dialect: Dialect
    resolver: Resolver

    def port(self, name: Name, proto: Proto | None) -> PortRange:
        """Resolve what stands after `port`."""
        self._check_transport(name, proto, "port")
        found = self._service(name.text, proto)
        if found is None:
            raise self._error(name, f"unknown port '{name.text}'", self._hint(name, "portrange"))
        self._check_service(name, proto, found[1], "port")
        return PortRange(name.text, found[0], found[0], name.span, found[1])

    def portrange(self, name: Name, proto: Proto | None) -> PortRange:
        """Resolve what stands after `portrange`."""
        self._check_transport(name, proto, "portrange")
        low, hyphen, high = self._split(name.text)
        if not hyphen:
            message = f"port range '{name.text}' contains no hyphen"
            raise self._error(name, message, f"did you mean 'port {name.text}'?")
        if not low or not high:
            which = "ending" if low else "starting"
            raise self._error(name, f"port range '{name.text}' has no {which} port")
        if "-" in high and not self._known(high):
            raise self._error(name, f"port range '{name.text}' contains more than one hyphen")
        return self._range(name, low, high, proto)

    def element(self, name: Name, proto: Proto | None) -> PortRange:
        """Resolve a set's element: a service or a range."""
        self._check_transport(name, proto, "port")
        low, hyphen, high = self._split(name.text)
        if hyphen and low and high and not self._known(name.text):
            return self._range(name, low, high, proto)
        return self.port(name, proto)

    def _range(self, name: Name, low: str, high: str, proto: Proto | None) -> PortRange:
        first, low_proto = self._bound(name, low, proto)
        last, high_proto = self._bound(name, high, proto)
        only = low_proto if low_proto is high_proto else None
        self._check_service(name, proto, only, "port in range")
        return PortRange(name.text, min(first, last), max(first, last), name.span, only)

    def _split(self, text: str) -> tuple[str, str, str]:
        """Split at the hyphen. In this dialect service names may have hyphens of their own."""
        if self.dialect is Dialect.NETBPF and text.count("-") > 1:
            for at, char in enumerate(text):
                if char == "-" and self._known(text[:at]) and self._known(text[at + 1 :]):
                    return text[:at], "-", text[at + 1 :]
        return text.partition("-")

    def _known(self, text: str) -> bool:
        return isinstance(read_number(text), int) or self._service(text, None) is not None

    def _bound(self, name: Name, text: str, proto: Proto | None) -> tuple[int, Proto | None]:
        """Resolve one end of a range."""
        number = read_number(text)
        if isinstance(number, int):
            if number > MAXIMUM:
                message = f"port number {number} greater than maximum {MAXIMUM}"
                raise self._error(name, message)
            return number, None
        found = self._service(text, proto)
        if found is not None:
            return found
        if text.isdecimal():
            raise self._error(name, str(number))
        raise self._error(name, f"'{text}' is not a valid port", self._hint(name, "portrange"))

    def _service(self, text: str, proto: Proto | None) -> tuple[int, Proto | None] | None:
        """Return a service's port, and its transport if it has but one.

        libpcap asks for TCP and UDP, in this order, whatever the qualifier; so does its dialect.
        The default dialect asks for the qualifier's transport first, and for SCTP, too.
        """
        if text.isascii() and text.isdecimal():  # an escaped number
            return (int(text), None) if len(text) < 6 and int(text) <= MAXIMUM else None
        if self.dialect is Dialect.NETBPF and proto is not None:
            number = self.resolver.port(text, proto.value)
            if number is not None:
                return number, None
        transports = _TRANSPORTS if self.dialect is Dialect.NETBPF else _TRANSPORTS[:2]
        found = [
            (number, transport)
            for transport in transports
            if (number := self.resolver.port(text, transport.value)) is not None
        ]
        if not found:
            return None
        number, transport = found[0]
        shared = any(other == number for other, _ in found[1:])
        return number, None if shared else transport

    def _check_transport(self, name: Name, proto: Proto | None, what: str) -> None:
        if proto is not None and proto not in _TRANSPORTS:
            raise self._error(name, f"'{proto.value}' is not a valid qualifier for '{what}'")

    def _check_service(
        self, name: Name, proto: Proto | None, only: Proto | None, what: str
    ) -> None:
        if proto is not None and only not in (None, proto):
            assert only is not None
            hint = "write its number to have it for any protocol"
            raise self._error(name, f"{what} '{name.text}' is {only.value}", hint)

    def _hint(self, name: Name, instead: str) -> str:
        if self.resolver.excuse:
            return self.resolver.excuse
        low, hyphen, high = name.text.partition("-")
        if hyphen and low.isdecimal() and high.isdecimal() and instead:
            return f"did you mean '{instead} {name.text}'?"
        from netbpf.expr.services import SERVICES

        return did_you_mean(name.text, SERVICES)

    def _error(self, name: Name, message: str, hint: str = "") -> ExpressionError:
        return expression_error(message, text=self.text, span=name.span, hint=hint)
