"""Every backend gives the interpreter's verdict, in both dialects; the pcap dialect, libpcap's.

Random expressions of every primitive, and packets that each was made to tell apart: whole, with
every bit flipped that it looks at, and cut at every length that matters.

    NETBPF_SCALE=40 NETBPF_SEED=7 pytest -s tests/differential/test_backends.py

asks about 200,000 (expression, packet) pairs or more, and prints how many.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from netbpf.compiler import Options
from netbpf.errors import ExpressionError, VerifierError
from netbpf.expr.names import NoNames
from netbpf.expr.nodes import Dialect
from netbpf.proto.linktype import LinkType
from tests.support.backends import Backends, open_backends
from tests.support.exprgen import Generator
from tests.support.libpcap import Libpcap, LibpcapError, libpcap
from tests.support.mutate import packets_for
from tests.support.packets import zoo
from tests.support.tools import scaled

SEED = int(os.environ.get("NETBPF_SEED", "20260101"))
PACKETS = 120

OTHER_LINKTYPES = [
    LinkType.RAW,
    LinkType.NULL,
    LinkType.LINUX_SLL,
    LinkType.LINUX_SLL2,
    LinkType.PPP,
]


def compare(backends: Backends, packets: list[bytes], oracle: dict[bytes, bool]) -> list[str]:
    """Return a line for each packet on which the backends differ."""
    wrong = []
    for data in packets:
        said = backends.verdicts(data)
        if data in oracle:
            said["libpcap"] = oracle[data]
        if len(set(said.values())) > 1:
            wrong.append(f"{backends.text!r} on {data.hex()}: {said}")
    return wrong


def libpcap_verdicts(
    library: Libpcap | None, text: str, linktype: LinkType, packets: list[bytes]
) -> dict[bytes, bool]:
    """Return libpcap's verdicts; none where it does not take the expression."""
    if library is None or library.difference(text):
        return {}
    try:
        with library.compiled(text, linktype=linktype) as compiled:
            return {data: compiled.run(data) for data in packets}
    except LibpcapError:
        return {}


@pytest.mark.root
@pytest.mark.timeout(max(900, scaled(300)))
@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_every_backend_agrees_on_ethernet(dialect: Dialect) -> None:
    frames = [frame.data for frame in zoo().values()]
    agree(dialect, LinkType.EN10MB, frames, expressions=scaled(40))


@pytest.mark.root
@pytest.mark.parametrize("linktype", OTHER_LINKTYPES, ids=lambda linktype: linktype.name)
@pytest.mark.parametrize("dialect", list(Dialect), ids=lambda dialect: dialect.value)
def test_every_backend_agrees_on_other_link_types(dialect: Dialect, linktype: LinkType) -> None:
    agree(dialect, linktype, [], expressions=scaled(6))


def agree(dialect: Dialect, linktype: LinkType, frames: list[bytes], *, expressions: int) -> None:
    """Draw expressions and packets; fail with every difference, print what was asked."""
    generator = Generator(SEED, dialect, linktype)
    rng = random.Random(SEED)
    options = Options(dialect=dialect, linktype=linktype, resolver=NoNames())
    library = libpcap() if dialect is Dialect.PCAP else None
    asked: Counter[str] = Counter()
    wrong: list[str] = []
    done = pairs = matched = 0
    while done < expressions:
        text = generator.expression(depth=rng.randint(1, 5))
        try:
            with open_backends(text, options) as backends:
                seeds = rng.sample(frames, min(4, len(frames)))
                mutants = packets_for(backends.program, seeds=seeds, count=PACKETS, rng=rng)
                packets = list(dict.fromkeys(mutant.data for mutant in mutants))
                oracle = libpcap_verdicts(library, text, linktype, packets)
                wrong += compare(backends, packets, oracle)
                asked.update(backends.asked)
                asked["libpcap"] += len(oracle)
                matched += sum(backends.asks["interp -O"](data) is True for data in packets)
                pairs += len(packets)
        except ExpressionError:
            continue  # refused, such as `vlan` on a link type that has none
        except VerifierError as error:
            wrong.append(f"{text!r}: {error.message}")
        done += 1
    about = f"seed {SEED} {dialect.value} {linktype.name}"
    print(f"\n{about}: {pairs} pairs, {matched} matches; {dict(asked)}")  # noqa: T201 - for -s
    assert not wrong, f"seed {SEED}: {len(wrong)} differences\n" + "\n".join(wrong[:20])
    assert 0 < matched < pairs, "the packets do not tell the expressions apart"
