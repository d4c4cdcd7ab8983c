"""The pcap dialect against libpcap: random expressions, and packets made from either's program.

    NETBPF_SCALE=50 NETBPF_SEED=7 pytest tests/differential/test_pcap_dialect.py

A failing line names the seed of its expression. NETBPF_LIBPCAP names another library than the
system's; what versions decide otherwise is listed in tests.support.libpcap.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.nodes import Dialect
from netbpf.ir.interp import Machine, Packet
from netbpf.ir.program import Alu, Block, Branch, Load, Program, Verdict
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from tests.support.exprgen import DIRECTIONS, RELATIONS, Generator
from tests.support.libpcap import Libpcap, LibpcapError, libpcap
from tests.support.lowering import lowered
from tests.support.mutate import Mutant, packets_for
from tests.support.tools import scaled
from tests.support.walk import ClassicWalker

SEED = int(os.environ.get("NETBPF_SEED", "1"))
NETMASK = 0xFFFFFF00
PACKETS = 120
CHAIN = 300
"""Bytes in which no more headers stand than `protochain` walks: 32 of eight bytes behind IPv6's."""

LINKTYPES = [*LinkType, *[LinkType.EN10MB] * 6]

INDEXED = ("link", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "rarp", "sctp", "igmp",
           "igrp", "pim", "vrrp", "carp", "atalk", "decnet", "sca", "lat", "moprc",
           "mopdl")  # fmt: skip
INDICES = ("0", "1", "2", "6", "9", "13", "40", "100", "0xfffffffe", "0xfffff000", "len - 20", "-4")
ODDITIES = ("decnet host 10.15", "decnet src 10.15", "ip broadcast", "iso proto 0x83",
            "isis proto 18", "ether proto \\arp", "link proto 0x42", "link proto 0xf0",
            "link proto 0x06", "ether proto 0x8137", "ether proto 5", "tcp src and dst port 80",
            "host 10.0.0.1 or 10.0.0.2 and not 192.0.2.1", "src net 10", "net 10.1", "portrange 0",
            "dst net 192.0.2.0 mask 255.255.255.0", "net 10.0.0.1 mask 255.0.0.255",
            "ip6 protochain 6", "ip protochain 51", "protochain 17")  # fmt: skip
TUNNELS = ("geneve", "geneve 42", "geneve and ether host 02:00:00:00:00:01", "geneve and vlan 10",
           "vxlan", "vxlan 42", "vxlan and ip", "vxlan and ether multicast", "pppoes", "mpls",
           "vlan", "vlan 10", "pppoes 7", "mpls 100", "stp", "isis", "ether proto 0x42", "arp",
           "ip", "ip6", "port 80", "tcp", "host 10.0.0.1", "ether host 02:00:00:00:00:01",
           "ip6 multicast", "llc", "decnet host 1.1")  # fmt: skip


class PcapGenerator(Generator):
    """Draws deeper arithmetic and rarer words than the expressions of both dialects have."""

    def __init__(self, seed: int, linktype: LinkType) -> None:
        super().__init__(seed, Dialect.PCAP, linktype)
        self._leaves += [self._deep, self._odd, self._link_word, self._directed]

    def _deep(self) -> str:
        return f"{self._arith(4)} {self._pick(RELATIONS)} {self._arith(3)}"

    def _odd(self) -> str:
        return self._pick(ODDITIES)

    def _directed(self) -> str:
        return f"ether {self._pick(DIRECTIONS)}host 02:00:00:00:00:01"

    def _arith(self, depth: int) -> str:
        if depth and self.random.random() < 0.1:
            return f"-{self._arith(depth - 1)}"
        return super()._arith(depth)

    def _bytes(self, depth: int) -> str:
        index = self._pick(INDICES)
        if depth > 1 and self.random.random() < 0.3:
            index = self._bytes(depth - 1) + self._pick(("", " & 0x1f", " >> 2", " - 20"))
        return f"{self._pick(INDEXED)}[{index}{self._pick(('', ':1', ':2', ':4'))}]"


class TunnelGenerator(Generator):
    """Draws what moves libpcap's offsets, and what looks at them; no arithmetic."""

    def __init__(self, seed: int, linktype: LinkType, *, vxlan: bool) -> None:
        super().__init__(seed, Dialect.PCAP, linktype)
        self._words = tuple(word for word in TUNNELS if vxlan or "vxlan" not in word)

    def leaf(self) -> str:
        return self._pick(self._words)


def test_random_expressions() -> None:
    tally = agree(range(SEED, SEED + scaled(100)), PcapGenerator)
    assert tally["equal"] > tally["refused by both"], tally


def test_tunnels() -> None:
    """On its own machine, whose scratch memory begins with zeros; that of libpcap 1.10 does not."""
    vxlan = require_libpcap().version >= (1, 11)
    tally = agree(
        range(SEED, SEED + scaled(50)),
        lambda seed, linktype: TunnelGenerator(seed, linktype, vxlan=vxlan),
        depth=3,
        own_machine=True,
    )
    assert tally["equal"] > tally["refused by both"], tally


def test_a_stripped_tag_means_what_the_inline_tag_means() -> None:
    """Skb hooks hold the outermost tag beside the bytes: the verdict is that on the whole frame."""
    wrong, stripped = [], 0
    for seed in range(SEED, SEED + scaled(60)):
        generator = random.Random(seed).choice((PcapGenerator, TunnelGenerator))
        if generator is TunnelGenerator:
            text = TunnelGenerator(seed, LinkType.EN10MB, vxlan=True).expression(3)
        else:
            text = PcapGenerator(seed, LinkType.EN10MB).expression(3)
        try:
            inline = lowered(text, netmask=NETMASK)
            hook = lowered(text, netmask=NETMASK, stripped_tags=True)
        except ExpressionError:
            continue
        on_wire, at_hook = Machine(inline, strict=True), Machine(hook, strict=True)
        tagged = [bytes(12) + tag + bytes(112) for tag in (b"\x81\0\0\x0a", b"\x88\xa8\0\x14")]
        for packet in packets_for(inline, seeds=tagged, count=PACKETS):
            seen = strip(packet)
            stripped += seen.vlan is not None
            if at_hook.run(seen) is not on_wire.run(Packet(packet.data, packet.length)):
                wrong.append(f"seed {seed}: {text!r} on {packet.data.hex()} ({packet.length})")
    assert not wrong, "\n".join(wrong[:20])
    assert stripped > 100


def strip(packet: Mutant) -> Packet:
    """Take the tag out, as the kernel does on the way in."""
    data = packet.data
    if len(data) < 16 or data[12:14] not in (b"\x81\0", b"\x88\xa8"):
        return Packet(data, packet.length)
    tpid, tci = (int.from_bytes(data[at : at + 2], "big") for at in (12, 14))
    return Packet(data[:12] + data[16:], packet.length, vlan=(tpid, tci))


def test_without_reuse_the_verdicts_are_the_same() -> None:
    for seed in range(SEED, SEED + scaled(40)):
        text = PcapGenerator(seed, LinkType.EN10MB).expression(3)
        try:
            shared, plain = lowered(text, netmask=0), lowered(text, netmask=0, reuse=False)
        except ExpressionError:
            continue
        machines = Machine(shared, strict=True), Machine(plain, strict=True)
        for packet in packets_for(shared, count=60):
            one, other = (machine.run(Packet(packet.data, packet.length)) for machine in machines)
            assert one is other, f"seed {seed}: {text!r} on {packet.data.hex()}"


@pytest.mark.parametrize(
    "text",
    ["tcp port 80", "ip[6:2] & 0x1fff = 0", "vlan 10 and udp", "src net 10.1.0.0/16", "mpls 100",
     "ip6 host 2001:db8::1", "portrange 8000-8099", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
     "pppoes 7 and ip", "llc rnr", "isis proto 18", "ether host 2:0:0:0:0:1"],
)  # fmt: skip
def test_the_packets_find_a_wrong_number(text: str) -> None:
    """Change one number of a program by one bit: the packets made from libpcap's tell them apart.

    Some changes change nothing: a load that is repeated, a test that cannot fail where it stands.
    """
    packets = packets_for(require_libpcap().compile(text), count=1500)
    program = lowered(text)
    right = verdicts(program, packets)
    mutants = list(programs_with_a_wrong_number(program))
    lived = [what for what, mutant in mutants if verdicts(mutant, packets) == right]
    assert len(lived) <= len(mutants) // 20, f"{len(lived)} of {len(mutants)}: {lived}"


def programs_with_a_wrong_number(program: Program) -> list[tuple[str, Program]]:
    """Return programs with one constant changed in its lowest, or one higher, bit."""
    found = []
    for number, block in enumerate(program.blocks[:60]):
        for change in changes(block):
            blocks = (*program.blocks[:number], change, *program.blocks[number + 1 :])
            found.append((f"{block} became {change}", replace(program, blocks=blocks)))
    return found


def changes(block: Block) -> list[Block]:
    found = []
    for at, insn in enumerate(block.insns):
        changed: Load | Alu
        if isinstance(insn, Load):
            changed = replace(insn, offset=insn.offset + 1)
        elif isinstance(insn, Alu) and isinstance(insn.b, int):
            changed = replace(insn, b=insn.b ^ (insn.b & -insn.b or 1))
        else:
            continue
        insns = (*block.insns[:at], changed, *block.insns[at + 1 :])
        found.append(replace(block, insns=insns))
    term = block.term
    if isinstance(term, Branch) and isinstance(term.b, int):
        found.append(replace(block, term=replace(term, b=term.b ^ (term.b & -term.b or 1))))
        found.append(replace(block, term=replace(term, then=term.orelse, orelse=term.then)))
    return found


def test_a_thousand_hosts_lower_in_well_under_a_second() -> None:
    text = " or ".join(f"host 10.0.{n >> 8}.{n & 255}" for n in range(1000))
    start = time.process_time()
    lowered(text)
    assert time.process_time() - start < 1


# -- the comparison --------------------------------------------------------------------------------


def agree(
    seeds: Sequence[int],
    generator: Callable[[int, LinkType], Generator],
    *,
    depth: int = 5,
    own_machine: bool = False,
) -> Counter[str]:
    """Compare an expression per seed; fail with every difference."""
    library = require_libpcap()
    tally: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in seeds:
        linktype = random.Random(seed).choice(LINKTYPES)
        text = generator(seed, linktype).expression(random.Random(seed).randint(1, depth))
        outcome = compare(library, text, linktype, own_machine=own_machine)
        tally[outcome or "equal"] += 1
        if outcome.startswith("!"):
            wrong.append(f"seed {seed} on {linktype.name}: {text!r}\n    {outcome}")
    about = f"seeds {seeds[0]} to {seeds[-1]}, libpcap {library.version}: {dict(tally)}"
    assert not wrong, "\n".join((about, *wrong[:20]))
    return tally


def compare(library: Libpcap, text: str, linktype: LinkType, *, own_machine: bool) -> str:
    """Return '' where all is equal, what else befell, or '!' and the difference."""
    reason = library.difference(text)
    if reason and not own_machine:
        return reason
    try:
        insns = library.compile(text, linktype=linktype, netmask=NETMASK)
        refused = ""
    except LibpcapError as error:
        refused = str(error)
    try:
        program = lowered(text, linktype=linktype, netmask=NETMASK)
    except ExpressionError as error:
        return "refused by both" if refused else f"! only netbpf refuses: {error.message}"
    if refused:
        too_large = "too many registers" in refused
        return "too large for libpcap" if too_large else f"! only libpcap refuses: {refused}"
    packets = packets_for(insns, count=PACKETS) + packets_for(program, count=PACKETS // 2)
    walker = ClassicWalker(insns) if own_machine or "protochain" in text else None
    machine = Machine(program, strict=True)
    with library.compiled(text, linktype=linktype, netmask=NETMASK) as oracle:
        for packet in packets:
            if "protochain" in text and len(packet.data) > CHAIN:
                continue
            if walker is not None:
                want = walker(packet.data, packet.length).matches
            else:
                want = oracle.run(packet.data, packet.length)
            trace = machine.trace(Packet(packet.data, packet.length))
            if (trace.verdict is Verdict.MATCH) is want:
                continue
            stopped = trace.steps[-1].failed
            if not library.excuses(insns, packet.data, packet.length, stopped=stopped):
                return f"! not {want} on {packet.data.hex()} ({packet.length})"
    return ""


def verdicts(program: Program, packets: list[Mutant]) -> list[Verdict]:
    machine = Machine(program)
    return [machine.run(Packet(packet.data, packet.length)) for packet in packets]


def require_libpcap() -> Libpcap:
    library = libpcap()
    if library is None:
        pytest.skip("libpcap is not installed")
    return library
