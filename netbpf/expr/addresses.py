"""Read the addresses that an expression spells: IPv4, IPv6, Ethernet.

Text to numbers, nothing else: no names, no resolver. Neighbours: parser, elements.
"""

from __future__ import annotations

_HEX = frozenset("0123456789abcdefABCDEF")


def parse_dotted(text: str) -> tuple[int, int] | None:
    """Read '10.1' or '10.1.2.3' as (number, bits spelt), right-aligned; None if out of range.

    A leading zero does not make a number octal here, and there is no hexadecimal.
    """
    value = 0
    parts = text.split(".")
    for part in parts:
        if not (part.isascii() and part.isdigit()):
            return None
        if len(part) > 3:
            part = part.lstrip("0") or "0"
            if len(part) > 3:
                return None
        number = int(part)
        if number > 255:
            return None
        value = value << 8 | number
    return value, 8 * len(parts)


def parse_ipv6(text: str) -> int | None:
    """Read an IPv6 address (RFC 4291 §2.2) as a 128-bit number; None if it is not one."""
    head, gap, tail = text.partition("::")
    if "::" in tail:
        return None
    left = _groups(head, last=not gap)
    right = _groups(tail, last=True)
    if left is None or right is None:
        return None
    missing = 8 - len(left) - len(right)
    if missing < (1 if gap else 0) or (missing and not gap):
        return None
    value = 0
    for group in (*left, *([0] * missing), *right):
        value = value << 16 | group
    return value


def _groups(text: str, *, last: bool) -> list[int] | None:
    """Read colon-separated groups; only the `last` ones may end in a dotted IPv4 address."""
    if not text:
        return []
    groups: list[int] = []
    parts = text.split(":")
    for i, part in enumerate(parts):
        if "." in part:
            quad = _strict_quad(part) if last and i == len(parts) - 1 else None
            if quad is None:
                return None
            groups += [quad >> 16, quad & 0xFFFF]
        elif 1 <= len(part) <= 4 and _HEX.issuperset(part):
            groups.append(int(part, 16))
        else:
            return None
    return groups


def _strict_quad(text: str) -> int | None:
    """Read exactly four decimal numbers without leading zeros, as inet_pton(3) asks for."""
    parts = text.split(".")
    if len(parts) != 4 or any(len(part) > 1 and part[0] == "0" for part in parts):
        return None
    dotted = parse_dotted(text)
    return dotted[0] if dotted else None


def parse_mac(text: str) -> int | None:
    """Read an Ethernet address: six bytes with ':', '-' or '.', xxxx.xxxx.xxxx, or 12 digits."""
    for separator in ":-.":
        parts = text.split(separator)
        if len(parts) == 6:
            return _join(parts, 1, 2)
        if len(parts) == 3 and separator == ".":
            return _join(parts, 4, 4)
    return _join([text], 12, 12)


def _join(parts: list[str], shortest: int, longest: int) -> int | None:
    """Put hexadecimal parts of `longest` digits (or fewer) together."""
    value = 0
    for part in parts:
        if not shortest <= len(part) <= longest or not _HEX.issuperset(part):
            return None
        value = value << 4 * longest | int(part, 16)
    return value
