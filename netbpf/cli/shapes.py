"""The JSON shapes of reports, and the words for keys: one place, as scripts rely on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netbpf.observe.counters import FlowKey
from netbpf.proto.ip import IpProtocol
from netbpf.spec import Key

if TYPE_CHECKING:
    from netbpf.observe.counters import Counters, Entry, EntryKey, Table


class Where(NamedTuple):
    """An attached filter, as reports name it. `at` and `mode` are words of CLI.md's options."""

    name: str
    iface: str
    at: str
    mode: str


def counters(where: Where, counted: Counters, *, top: int | None = None) -> dict[str, Any]:
    """Return the object of `netbpf counters`."""
    return {
        **where._asdict(),
        "packets": counted.packets,
        "bytes": counted.bytes,
        "dropped": counted.dropped,
        "by": {
            table.key.value: [entry(table.key, one) for one in table.entries[:top]]
            for table in counted.tables
        },
        "evicted": {table.key.value: table.evicted for table in counted.tables if table.evicted},
    }


def progress(
    time: float, where: Where, counted: Counters, *, final: bool, top: int | None = None
) -> dict[str, Any]:
    """Return the object of the stream of `netbpf filter`; `time` in seconds since 1970."""
    shape = {"t": round(time, 6), **counters(where, counted, top=top)}
    return {**shape, "final": True} if final else shape


def entry(key: Key, one: Entry) -> dict[str, Any]:
    """Return one row of a table. Ports are numbers, protocols and addresses text, else null."""
    shape: dict[str, Any] = {"key": _json_key(key, one.key)}
    if isinstance(one.key, FlowKey):
        shape |= {
            "proto": protocol_name(one.key.protocol),
            "src": one.key.source,
            "sport": one.key.source_port,
            "dst": one.key.destination,
            "dport": one.key.destination_port,
        }
    return {**shape, "packets": one.packets, "bytes": one.bytes}


def _json_key(key: Key, value: EntryKey) -> int | str | None:
    if value is None or (isinstance(value, int) and key is not Key.PROTO):
        return value
    return key_text(key, value)


def key_text(key: Key, value: EntryKey) -> str:
    """Return a key for people."""
    if value is None:
        return "(none)"
    if isinstance(value, FlowKey):
        source = _end(value.source, value.source_port)
        destination = _end(value.destination, value.destination_port)
        return f"{protocol_name(value.protocol)} {source} > {destination}"
    return protocol_name(value) if key is Key.PROTO and isinstance(value, int) else str(value)


def protocol_name(number: int) -> str:
    """Return an IP protocol by the word that filters have for it, or by its number."""
    try:
        return IpProtocol(number).name.lower().replace("_", "-")
    except ValueError:
        return str(number)


def heading(table: Table) -> str:
    """Return the title of a table's first column."""
    return {
        Key.PORT: "destination port",
        Key.SPORT: "source port",
        Key.PROTO: "protocol",
        Key.SRC: "source",
        Key.DST: "destination",
        Key.FLOW: "flow",
    }[table.key]


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
