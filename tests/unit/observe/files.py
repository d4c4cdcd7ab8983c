"""Capture files for tests, put together byte by byte."""

from __future__ import annotations

from struct import pack


def pcap(
    *records: bytes,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    version: tuple[int, int] = (2, 4),
    snaplen: int = 65535,
    network: int = 1,
) -> bytes:
    return pack(order + "IHHiIII", magic, *version, 0, 0, snaplen, network) + b"".join(records)


def record(
    data: bytes,
    *,
    length: int | None = None,
    time: tuple[int, int] = (1_700_000_000, 5),
    order: str = "<",
    captured: int | None = None,
    extra: bytes = b"",
) -> bytes:
    """A pcap record; `captured` lies about the number of bytes."""
    captured = len(data) if captured is None else captured
    length = captured if length is None else length
    return pack(order + "IIII", *time, captured, length) + extra + data


def block(kind: int, body: bytes, *, order: str = "<", trailer: int | None = None) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return pack(order + "II", kind, size) + body + pack(order + "I", trailer or size)


def section(*, order: str = "<", version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, *version, -1), order=order)


def interface(
    linktype: int = 1, *, snaplen: int = 0, order: str = "<", options: bytes = b""
) -> bytes:
    return block(1, pack(order + "HHI", linktype, 0, snaplen) + options, order=order)


def option(code: int, value: bytes, *, order: str = "<") -> bytes:
    return pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(
    data: bytes,
    *,
    number: int = 0,
    time: int = 1_700_000_000_000_005,
    length: int | None = None,
    captured: int | None = None,
    order: str = "<",
    options: bytes = b"",
) -> bytes:
    captured = len(data) if captured is None else captured
    head = pack(
        order + "IIIII",
        number,
        time >> 32,
        time & 0xFFFFFFFF,
        captured,
        len(data) if length is None else length,
    )
    return block(6, head + data + bytes(-len(data) % 4) + options, order=order)


def simple(data: bytes, *, length: int | None = None, order: str = "<") -> bytes:
    length = len(data) if length is None else length
    return block(3, pack(order + "I", length) + data, order=order)


def old_packet(data: bytes, *, number: int = 0, time: int = 7, order: str = "<") -> bytes:
    head = pack(order + "HHIIII", number, 0, time >> 32, time & 0xFFFFFFFF, len(data), len(data))
    return block(2, head + data, order=order)
