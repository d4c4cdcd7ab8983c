"""The tables of docs/kernels.md, made from what netbpf asks a kernel for.

python -m tests.support.kernels    writes them into the page
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netbpf.kernel import facts, features
from netbpf.kernel.version import Version, parse
from netbpf.link import features as attaching
from tests.support.tools import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from netbpf.kernel.features import Topic

PAGE = REPOSITORY / "docs" / "kernels.md"

RELEASES = {
    "Debian 11": Version(5, 10),
    "Ubuntu 22.04": Version(5, 15),
    "Debian 12": Version(6, 1),
    "Ubuntu 24.04": Version(6, 8),
    "Debian 13": Version(6, 12),
}
"""The kernels that people have, oldest first."""


def topics() -> list[Topic]:
    """Return what came with some version of Linux, in the order of the versions."""
    probes = [*features.PROBES, *attaching.PROBES]
    found = [*facts.TOPICS, *(probe.topic for probe in probes)]
    dated = [topic for topic in found if topic.since and topic.name != "kernel"]
    return sorted(dated, key=lambda topic: parse(topic.since))


def is_new(topic: Topic) -> bool:
    """Whether some kernel that netbpf is meant for lacks it."""
    return parse(topic.since) > facts.OLDEST


def tables() -> dict[str, str]:
    """Return the tables by the names that the page calls them."""
    old = [topic for topic in topics() if not is_new(topic)]
    new = [topic for topic in topics() if is_new(topic)]
    return {
        "newer": _table(
            ["", "Linux", "netbpf uses it for", "and without it"],
            ([one.name, one.since, one.use, one.without] for one in new),
        ),
        "releases": _table(
            ["", *(f"{name} ({kernel})" for name, kernel in RELEASES.items())],
            ([one.name, *_has(one)] for one in new),
        ),
        "everywhere": _table(
            ["", "Linux", "netbpf uses it for"], ([one.name, one.since, one.use] for one in old)
        ),
    }


def renewed(page: str) -> str:
    """Return the page with its tables as they should be."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: made by `make docs` -->\n", "<!-- end -->"
        old = re.compile(f"{re.escape(begin)}.*?{end}", re.DOTALL)
        page, count = old.subn(lambda _, new=f"{begin}{table}{end}": new, page)  # type: ignore[misc]
        assert count == 1, f"{PAGE} has no place for the table {name!r}"
    return page


def _has(topic: Topic) -> Iterator[str]:
    return ("yes" if kernel >= parse(topic.since) else "–" for kernel in RELEASES.values())


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
