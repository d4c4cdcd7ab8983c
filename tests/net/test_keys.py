"""Live traffic counted by key: each table holds what the frames' facts add up to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from netbpf import compiler
from netbpf.expr.names import NoNames
from netbpf.kernel import cpus
from netbpf.observe import counters
from netbpf.observe.counters import FlowKey
from netbpf.spec import Key
from tests.net.hooks import HOOKS, Hook, attached, frames
from tests.net.wire import SENTINEL_FACTS, Wire
from tests.support.packets import Facts
from tests.support.programs import FRAGS
from tests.support.truth import dport, protocol, sport, version

if TYPE_CHECKING:
    from netbpf.observe.counters import EntryKey

pytestmark = pytest.mark.root

OPTIONS = compiler.Options(resolver=NoNames())


def key_of(key: Key, facts: Facts) -> EntryKey:
    """Return what a frame is counted by; None where it has no such thing."""
    if key is Key.PORT:
        return dport(facts)
    if key is Key.SPORT:
        return sport(facts)
    if key is Key.PROTO:
        return protocol(facts)
    if version(facts) is None or facts.src is None or facts.dst is None:
        return None
    if key is Key.SRC:
        return facts.src
    if key is Key.DST:
        return facts.dst
    carried = protocol(facts)
    if carried is None:
        return None
    return FlowKey(carried, facts.src, sport(facts) or 0, facts.dst, dport(facts) or 0)


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "per-cpu"])
@pytest.mark.parametrize("hook", HOOKS, ids=str)
def test_tables(hook: Hook, flat: bool, ends: Wire) -> None:
    keys = tuple(Key)
    spec = compiler.compile_filter(
        "",
        target=hook.target,
        by=keys,
        options=OPTIONS,
        frags=FRAGS,
        cpus=cpus.bound() if flat else None,
        buff=hook.buff(),
    )
    with attached(hook, ends, spec) as filter_:
        for one in frames(hook).values():
            ends.carry(one.data)
        counted = filter_.read()
        assert filter_.spec.counters is not None
        counters.reset(filter_.spec.counters, filter_.program.maps)
        assert not any(filter_.read()[:3])
        assert not any(table.entries for table in filter_.read().tables)
    for table in counted.tables:
        packets: Counter[EntryKey] = Counter()
        size: Counter[EntryKey] = Counter()
        for one in frames(hook).values():
            for facts in (one.facts, SENTINEL_FACTS):
                packets[key_of(table.key, facts)] += 1
                size[key_of(table.key, facts)] += facts.length
        found = {entry.key: (entry.packets, entry.bytes) for entry in table.entries}
        assert found == {key: (packets[key], size[key]) for key in packets}, table.key
        assert table.evicted == 0
