"""A resolver with a small world of its own, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeResolver:
    """Knows what it is given, and counts what it is asked."""

    excuse: str = ""
    asked: list[str] = field(default_factory=list)

    def hosts(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        self.asked.append(name)
        return {
            "four": ((0x0A000001,), ()),
            "six": ((), (1,)),
            "both": ((0x0A000001, 0x0A000002), (1, 2)),
        }.get(name, ((), ()))

    def ether(self, name: str) -> int | None:
        return {"both": 0x020000000001}.get(name)

    def network(self, name: str) -> int | None:
        return {"ten": 10, "zero": 0}.get(name)

    def port(self, name: str, transport: str) -> int | None:
        return {
            ("http", "tcp"): 80,
            ("domain", "tcp"): 53,
            ("domain", "udp"): 53,
            ("ntp", "udp"): 123,
            ("ftp-data", "tcp"): 20,
            ("diameter", "sctp"): 3868,
            ("split", "tcp"): 1,
            ("split", "udp"): 2,
        }.get((name, transport))

    def protocol(self, name: str) -> int | None:
        return {"ospf": 89, "tcp": 99}.get(name)

    def interface(self, name: str) -> int | None:
        return {"eth0": 2}.get(name)
