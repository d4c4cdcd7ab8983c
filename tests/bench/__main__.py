"""Run benchmarks: `make bench`, or only some sections: `make bench BENCH="start-up filters"`.

Sections take words behind a colon: `filters:port,ip6` times the expressions with these in their
names, `counters:tc` the hooks, `sets:IPv4` its kinds. Commands need tcpdump; what they attach or
load needs root, and nft to compare with; filters, counters and sets need root and Linux 6.9,
filters also clang and libpcap.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tests.bench import commands, compiling, counters, filters, sets

SECTIONS: dict[str, Callable[[list[str]], None]] = {
    "start-up": lambda _: commands.start_up(),
    "compile": lambda _: compiling.run(),
    "match": lambda _: commands.match(),
    "filters": filters.run,
    "counters": counters.run,
    "sets": sets.run,
}


def main(sections: Sequence[str]) -> None:
    """Run the sections, all of them where none is named."""
    for section in sections or SECTIONS:
        name, _, words = section.partition(":")
        if name not in SECTIONS:
            sys.exit(f"no section {name!r}: there are {', '.join(SECTIONS)}")
        SECTIONS[name]([word for word in words.split(",") if word])


if __name__ == "__main__":
    main(sys.argv[1:])
