"""A header field: the row of the tables in this package."""

from __future__ import annotations

from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field stands in its own header. Bytes; big-endian on the wire."""

    name: str
    offset: int
    width: int  # 1, 2 or 4
