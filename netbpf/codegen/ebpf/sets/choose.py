"""Which kind of table a set becomes, or whether it stays code: all that is decided, is so here.

What look-ups took for random addresses, in nanoseconds, on a machine where one in a BPF hash map of
1,000 entries took 30 (`make bench BENCH=sets` measures what is chosen):

                      members:  3    16   100  1,000  10,000  100,000
    single values     code     12    24
                      Hashed    2     2     2      4       4       15
                      Search    4     3     5      5       8       25
                      Direct                6      5       7       19
    prefixes          code     13    26
                      Search    3     4     5      5       9       24
                      Direct                6      5      11       15
    two words         Search              10     14      27       54
    four words        code     16    30
                      Hashed    7     7     7      9      12       45
                      Search   12    18    17     24      49      158

Comparisons lose early: each is a branch, and all together are mispredicted about once a packet.
A look-up is the loads that wait for each other: two and their misses for Direct and Hashed, for
Search one and a step for each bit of its longest window. Where addresses lie close together these
windows are long, and Direct does not care.
Bits and Bitmap are the cheapest, where they hold the set: no load, and one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from netbpf.codegen.ebpf.sets import bitmap, bits
from netbpf.codegen.ebpf.sets.bitmap import Bitmap
from netbpf.codegen.ebpf.sets.bits import Bits
from netbpf.codegen.ebpf.sets.direct import Direct
from netbpf.codegen.ebpf.sets.directory import BUCKET_BITS, LANES
from netbpf.codegen.ebpf.sets.hashed import Hashed
from netbpf.codegen.ebpf.sets.search import Search
from netbpf.codegen.ebpf.sets.table import Members, Table
from netbpf.ir.program import Member

MOST_BYTES = 4 << 20
"""Of an array's value that user space can write: KMALLOC_MAX_SIZE."""

_FEWEST = 3  # ranges that are worth a table
_FEWEST_IN_A_BITMAP = 5  # the same where the table is a bitmap, a map of 8 KiB
_MOST_STEPS = 4  # that take as long as all that Direct does
_MOST_SEARCHED = 1 << 14  # ranges: from there on boundaries and a directory outgrow a cache as well
_SPREAD = 2  # values a range of which single values are made, lest neighbours prevent a hash table
_MOST_HASHED = MOST_BYTES // 8  # words: every other place of the two halves is free
_CELLS = (2, 4, 8)  # words
_FEW_BLOCKS = 16  # the part of the buckets, one in so many, that may not fit a cell


def is_table(member: Member) -> bool:
    """Whether a table costs less than comparisons."""
    if len(member.members) < _FEWEST:
        return False
    first, last = member.members[0][0], member.members[-1][1]
    is_bitmap = len(member.regs) == 1 and last <= bitmap.LAST and not _fit_a_register(first, last)
    return not is_bitmap or len(member.members) >= _FEWEST_IN_A_BITMAP


def choose(members: Members, words: int) -> Table:
    """Return the table of a set that is not empty; it may be too large for a map."""
    first, last = members[0][0], members[-1][1]
    if words == 1 and _fit_a_register(first, last):
        return Bits.of(members)
    if words == 1 and last <= bitmap.LAST:
        return Bitmap.of(members)
    count = sum(high - low + 1 for low, high in members)
    if count <= _SPREAD * len(members) and count * (words + words // 3) <= _MOST_HASHED:
        values = list(chain.from_iterable(range(low, high + 1) for low, high in members))
        return Hashed.of(values, words)
    return _ranges(members, words)


def _fit_a_register(first: int, last: int) -> bool:
    return last < bits.BITS or last - first < bits.BITS


def _ranges(members: Members, words: int) -> Table:
    searched = Search.of(members, words) if words > 1 or len(members) <= _MOST_SEARCHED else None
    if searched is not None and (words > 1 or searched.steps <= _MOST_STEPS):
        return searched
    direct = Direct.of(members, _cell(members))
    if len(direct.content) <= MOST_BYTES:
        return direct
    return searched or Search.of(members, words)


def _cell(members: Sequence[tuple[int, int]]) -> int:
    """Return how large cells have to be that most buckets fit one."""
    counts = Counter(bound >> BUCKET_BITS for pair in members for bound in pair)
    for words in _CELLS:
        blocks = sum(count > LANES * words for count in counts.values())
        if blocks * _FEW_BLOCKS <= len(counts):
            break
    return words
