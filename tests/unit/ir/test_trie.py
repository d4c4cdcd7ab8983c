"""The persistent map, held against dicts."""

from __future__ import annotations

import random

from netbpf.ir.trie import CAPACITY, Trie


def test_a_map_keeps_what_it_is_told_and_its_originals() -> None:
    rng = random.Random(0)
    trie, model = Trie[int](), dict[int, int]()
    versions = []
    for _ in range(500):
        key, value = rng.choice((rng.randrange(40), rng.randrange(CAPACITY))), rng.randrange(9)
        trie, model = trie.set(key, value), {**model, key: value}
        versions.append((trie, model))
    for trie, model in versions[::50]:
        for key in {*versions[-1][1], 41, 1000}:
            assert trie.get(key) == model.get(key)


def test_merging_keeps_what_both_have() -> None:
    rng = random.Random(1)
    for _ in range(200):
        keys = [rng.randrange(CAPACITY) for _ in range(5)] + list(range(30, 35))
        common = {key: rng.randrange(5) for key in rng.sample(keys, 5)}
        models = [
            {**common, **{key: rng.randrange(5) for key in rng.sample(keys, 3)}} for _ in range(2)
        ]
        base = Trie[int]()
        for key, value in common.items():
            base = base.set(key, value)
        tries = [base, base]
        for i, model in enumerate(models):
            for key, value in model.items():
                if common.get(key) != value:
                    tries[i] = tries[i].set(key, value)
        merged = tries[0].merge(tries[1], lambda a, b: a + b if a != b else None)
        for key in keys:
            a, b = models[0].get(key), models[1].get(key)
            # Equal values may be the same object, which is taken as it is, or not.
            allowed = {None} if a is None or b is None else {a + b} if a != b else {a, None}
            assert merged.get(key) in allowed
        assert base.merge(base, max) is base
