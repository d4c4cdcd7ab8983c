"""What the verifier has to do for a long expression: it grows as the program, not as its paths."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from netbpf.compiler import Options, compile_filter
from netbpf.expr.names import NoNames
from netbpf.objects import Program
from netbpf.spec import Target
from tests.support.buffs import DIRECT, this_kernels
from tests.support.programs import FRAGS

pytestmark = pytest.mark.root

_MOST_PASSES = 8  # over each instruction, on the average
_WALK = "not ip6 proto {0} or udp[4:2] = {0}"  # two walks over the extension headers


class Place(NamedTuple):
    """What is compiled for; see tests.support.skips for `needs_kernel`."""

    target: Target
    needs_kernel: str = ""

    def __str__(self) -> str:
        return self.target.value + ("-direct" if self.needs_kernel else "")


PLACES = (*map(Place, (Target.XDP, Target.TC, Target.SOCKET)), Place(Target.SOCKET, DIRECT))


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("walks", [1, 4, 16])
def test_the_work_is_linear_in_the_number_of_walks(place: Place, walks: int) -> None:
    text = " and ".join(f"({_WALK.format(60 - number)})" for number in range(walks))
    assert _passes(text, place) <= _MOST_PASSES


@pytest.mark.parametrize(
    "text",
    [
        "(len <= 1500 or igmp or not ip6 proto 60 or psnp) or ip6 proto 58 or not udp[4:2] == 4",
        "src net 192.0.2.0/31 and gre and inner (udp) or not (udp src and dst port 80) or ip",
        "not (vlan and ip6 protochain 6 or inner (tcp port 80)) and (frag or not sctp port 9)",
    ],
)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_mixed_expressions_are_loaded_with_ease(text: str, place: Place) -> None:
    assert _passes(text, place) <= _MOST_PASSES


def _passes(text: str, place: Place) -> float:
    """Return how often the verifier looked at an instruction, on the average."""
    options = Options(resolver=NoNames())
    buff = this_kernels() if place.needs_kernel else None
    spec = compile_filter(text, target=place.target, options=options, frags=FRAGS, buff=buff)
    with Program.load(spec, log_level=4) as program:
        found = re.search(r"processed (\d+) insns", program.log)
    assert found is not None
    return int(found[1]) / len(spec.insns)
