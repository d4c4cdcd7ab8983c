"""Every expression that libpcap's own tests compile or refuse.

What libpcap accepts is accepted, with libpcap's verdict on packets made from its program and from
ours; what it refuses is refused, in its words. The exceptions stand below, each with its reason.
"""

from __future__ import annotations

import ipaddress
import json
import random
from dataclasses import dataclass

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.names import SystemResolver
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.passes import optimise
from netbpf.ir.program import Program, Verdict
from netbpf.proto.linktype import LinkType
from tests.support.libpcap import Libpcap, LibpcapError, libpcap
from tests.support.lowering import lowered
from tests.support.mutate import packets_for
from tests.support.tools import require_shared, scaled
from tests.support.walk import ClassicWalker

PACKETS = scaled(120)
CHAIN = 300  # bytes; see test_pcap_dialect.py

SYNTAX = "can't parse filter expression: syntax error"
"""libpcap says no more than that; netbpf says what is wrong in words of its own."""

NEWER = {
    "ether proto slow": "libpcap 1.10 does not know the name",
    "vxlan and vxlan": "libpcap 1.10 has no vxlan",
}
"""What the library may not compile yet: verdicts are compared where it does."""


@dataclass(frozen=True)
class Case:
    """One row of the data."""

    text: str
    linktype: LinkType
    netmask: int | None
    error: str
    live: bool

    def __str__(self) -> str:
        return f"{self.text!r} on {self.linktype.name}"


def cases(linktype: LinkType, *, accepted: bool) -> list[Case]:
    found = []
    for row in json.loads(require_shared("libpcap_cases.json").read_text()):
        if row["linktype"] == linktype.name and row["accept"] is accepted:
            mask = row.get("netmask")
            number = int(ipaddress.IPv4Address(mask)) if mask else None
            live = row.get("linux_extensions", False)
            found.append(Case(row["expr"], linktype, number, row.get("error", ""), live))
    return found


@pytest.mark.parametrize("linktype", LinkType, ids=lambda linktype: linktype.name)
def test_accepted_with_the_verdicts_of_libpcap(linktype: LinkType) -> None:
    library = require_libpcap()
    wrong = []
    for case in cases(linktype, accepted=True):
        different = differences(library, case)
        reason = library.difference(case.text)
        if different and not reason:
            wrong.append(f"{case}: {different[0]}, and {len(different) - 1} more")
        elif reason and not different and not library.reordered:
            wrong.append(f"{case}: no difference, though {reason}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("linktype", LinkType, ids=lambda linktype: linktype.name)
def test_refused_in_the_words_of_libpcap(linktype: LinkType) -> None:
    wrong = []
    for case in cases(linktype, accepted=False):
        try:
            compiled(case)
        except ExpressionError as error:
            if case.error not in error.message and case.error != SYNTAX:
                wrong.append(f"{case}: {error.message!r} has not {case.error!r}")
        else:
            wrong.append(f"{case}: accepted, libpcap says {case.error!r}")
    assert not wrong, "\n".join(wrong)


def test_the_default_dialect_takes_all_of_it() -> None:
    refused = []
    for linktype in LinkType:
        for case in cases(linktype, accepted=True):
            try:
                compiled(case, dialect=Dialect.NETBPF)
            except ExpressionError as error:
                refused.append(f"{case}: {error.message}")
    assert not refused, "\n".join(refused)


def compiled(case: Case, dialect: Dialect = Dialect.PCAP) -> Program:
    """Lower a case, with the names that this machine knows, as libpcap does."""
    return lowered(
        case.text,
        dialect=dialect,
        linktype=case.linktype,
        netmask=case.netmask,
        stripped_tags=case.live,
        resolver=SystemResolver(),
    )


def require_libpcap() -> Libpcap:
    library = libpcap()
    if library is None:
        pytest.skip("libpcap is not installed")
    return library


def differences(library: Libpcap, case: Case) -> list[str]:
    """Return a line for each packet on which we and libpcap differ."""
    program = compiled(case)
    if case.live:
        return []  # test_pcap_dialect.py: a stripped tag means what the same tag means inline
    try:
        insns = library.compile(case.text, linktype=case.linktype, netmask=case.netmask)
    except LibpcapError as error:
        return [] if case.text in NEWER else [f"libpcap refuses: {error}"]
    packets = packets_for(insns, count=PACKETS)
    packets += packets_for(program, count=PACKETS // 2, rng=random.Random(1))
    walker = None
    if "protochain" in case.text:
        # libpcap walks the chain in a loop, which need not end; the walker's does, and ours is
        # unrolled to so many headers as packets of this length can hold.
        walker = ClassicWalker(insns)
        packets = [packet for packet in packets if len(packet.data) <= CHAIN]
    machines = (Machine(program, strict=True), Machine(optimise(program)))
    found = []
    with library.compiled(case.text, linktype=case.linktype, netmask=case.netmask) as oracle:
        for packet in packets:
            data, length = packet.data, packet.length
            want = walker(data, length).matches if walker else oracle.run(data, length)
            for name, machine in zip(("lowered", "optimised"), machines, strict=True):
                if (machine.run(Packet(data, length)) is Verdict.MATCH) is not want:
                    stopped = machine.trace(Packet(data, length)).steps[-1].failed
                    if not library.excuses(insns, data, length, stopped=stopped):
                        found.append(f"{name} on {data.hex()} ({length}): not {want}")
    return found
