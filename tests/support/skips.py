"""Which skips are justified: those of expected_skips.txt, and what a kernel is too old for.

A test that needs a feature of newer kernels says so with `@pytest.mark.needs_kernel(FEATURE)`, in
the words of `netbpf doctor`; or its parameter does, by an attribute `needs_kernel`. It is skipped
where the running version is older than the feature. On any other kernel it runs, and fails if the
feature is missing. With `since="5.15"` the feature may be one that netbpf itself has no use for.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netbpf.kernel import facts, features
from netbpf.kernel.version import Version, parse
from netbpf.link import features as attaching

if TYPE_CHECKING:
    from collections.abc import Iterable

MACHINE = "NETBPF_MACHINE"  # is set inside of the matrix's machines
EXPECTED = Path(__file__).parents[1] / "expected_skips.txt"
NOT_IN_MACHINES = "host: "  # opens a line that holds on the kernels of users only
_TOO_OLD = re.compile(r"needs Linux (\d+\.\d+)\b")


def in_machine() -> bool:
    """Whether this is a machine of the matrix."""
    return bool(os.environ.get(MACHINE))


def too_old(feature: str, running: Version, *, since: str = "") -> str:
    """Return why a test of `feature` is skipped on Linux `running`, or '' where it has to run."""
    first = parse(since) if since else _since(feature)
    if running >= first:
        return ""
    return f"needs Linux {first} ({feature}); this is {running}"


def _since(feature: str) -> Version:
    probes = [*features.PROBES, *attaching.PROBES]
    topics = [*facts.TOPICS, *(probe.topic for probe in probes)]
    found = {topic.name: topic.since for topic in topics if topic.since}
    if feature not in found:
        raise LookupError(f"netbpf probes for no feature {feature!r}, but for {sorted(found)}")
    return parse(found[feature])


@dataclass(frozen=True)
class Rules:
    """Regular expressions, searched in "test id: reason": `anywhere`, and outside of machines."""

    anywhere: tuple[re.Pattern[str], ...]
    on_hosts: tuple[re.Pattern[str], ...]

    def justify(self, skip: str, running: Version, *, machine: bool) -> bool:
        """Whether "test id: reason" is a skip to expect on Linux `running`.

        `machine`: on one of the matrix, whose kernels are known and have all that is listed.
        """
        version = _TOO_OLD.search(skip)
        if version:
            return running < parse(version[1])
        patterns = self.anywhere if machine else (*self.anywhere, *self.on_hosts)
        return any(pattern.search(skip) for pattern in patterns)


def rules(lines: Iterable[str]) -> Rules:
    """Read the lines of expected_skips.txt."""
    said = [line for line in lines if line.strip() and not line.startswith("#")]
    on_hosts = [line for line in said if line.startswith(NOT_IN_MACHINES)]
    return Rules(
        tuple(re.compile(line) for line in said if line not in on_hosts),
        tuple(re.compile(line.removeprefix(NOT_IN_MACHINES)) for line in on_hosts),
    )


def expected() -> Rules:
    """Return the rules of expected_skips.txt."""
    return rules(EXPECTED.read_text().splitlines())
