"""What is written beside a kept attachment, so that any later process can name and read it.

One JSON object, kept as the value of a frozen map (objects.pins). It is written before the
program is attached: where it really is, and how, is asked of the kernel (link.kept).
Depends on spec; pure.
"""

from __future__ import annotations

import json
from typing import Any

from netbpf.errors import InputError
from netbpf.proto.linktype import LinkType
from netbpf.records import dataclass
from netbpf.spec import Action, CounterLayout, CounterTable, Key, Target

_FORMAT = 2  # raised when a reader of the old one would misread the new one
_READABLE = (1, _FORMAT)  # 1: all counters are in per-CPU maps, which their types say, too


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept attachment. `since` in seconds since 1970; `insns` counts what the compiler made.

    `netns` is the path of its network namespace, '' for that of the process that made it;
    `netns_id` the namespace's device and inode number. `counters` says which maps count what.
    """

    name: str
    interface: str
    ifindex: int
    netns: str
    netns_id: tuple[int, int]
    target: Target
    expression: str
    action: Action
    linktype: LinkType
    since: float
    prog_id: int
    tag: str
    insns: int
    counters: CounterLayout | None
    version: str  # of the netbpf that made it


def encode(kept: Kept) -> bytes:
    """Return the JSON text, in UTF-8."""
    return json.dumps(
        {
            "format": _FORMAT,
            "name": kept.name,
            "interface": kept.interface,
            "ifindex": kept.ifindex,
            "netns": kept.netns,
            "netns_id": list(kept.netns_id),
            "target": kept.target.value,
            "expression": kept.expression,
            "action": kept.action.value,
            "linktype": kept.linktype.name,
            "since": kept.since,
            "prog_id": kept.prog_id,
            "tag": kept.tag,
            "insns": kept.insns,
            "counters": _layout_to_json(kept.counters),
            "version": kept.version,
        }
    ).encode()


def decode(content: bytes) -> Kept:
    """Read what `encode` wrote, zeros behind it or not.

    Unknown members are skipped, so that a newer netbpf may add some.
    Raises InputError for anything else.
    """
    try:
        found = json.loads(content.rstrip(b"\0"))
        if found["format"] not in _READABLE:
            raise InputError(f"kept by a netbpf with another format ({found['format']})")
        return _from_json(found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"not the description of a kept filter: {error!r}") from None


def _from_json(found: dict[str, Any]) -> Kept:
    device, inode = found["netns_id"]
    return Kept(
        name=str(found["name"]),
        interface=str(found["interface"]),
        ifindex=int(found["ifindex"]),
        netns=str(found["netns"]),
        netns_id=(int(device), int(inode)),
        target=Target(found["target"]),
        expression=str(found["expression"]),
        action=Action(found["action"]),
        linktype=LinkType[found["linktype"]],
        since=float(found["since"]),
        prog_id=int(found["prog_id"]),
        tag=str(found["tag"]),
        insns=int(found["insns"]),
        counters=_layout_from_json(found["counters"]),
        version=str(found["version"]),
    )


def _layout_to_json(layout: CounterLayout | None) -> dict[str, Any] | None:
    if layout is None:
        return None
    tables = [
        {"key": t.key.value, "map": t.map, "capacity": t.capacity, "exact": t.exact}
        for t in layout.tables
    ]
    return {"totals": layout.totals, "tables": tables}


def _layout_from_json(found: dict[str, Any] | None) -> CounterLayout | None:
    if found is None:
        return None
    tables = tuple(
        CounterTable(Key(t["key"]), str(t["map"]), int(t["capacity"]), bool(t["exact"]))
        for t in found["tables"]
    )
    return CounterLayout(str(found["totals"]), tables)
