"""Features that tests need: skipped below their version, and nowhere else."""

from __future__ import annotations

import pytest

from netbpf.kernel.version import Version
from tests.support import skips


@pytest.mark.parametrize(
    ("running", "skipped"),
    [(Version(5, 10), True), (Version(6, 5), True), (Version(6, 6), False), (Version(7, 2), False)],
)
def test_a_feature_of_netbpf(running: Version, skipped: bool) -> None:
    reason = skips.too_old("attach at tc, tcx", running)
    assert bool(reason) == skipped
    if skipped:
        assert "needs Linux 6.6 (attach at tc, tcx)" in reason
        rules = skips.rules([])
        assert rules.justify(f"test: {reason}", running, machine=True)
        assert not rules.justify(f"test: {reason}", Version(6, 6), machine=True)


def test_a_feature_of_the_test_alone() -> None:
    assert skips.too_old("whatever", Version(5, 14), since="5.15")
    assert not skips.too_old("whatever", Version(5, 15), since="5.15")


def test_a_feature_that_nobody_knows() -> None:
    with pytest.raises(LookupError, match="no feature 'tcx'"):
        skips.too_old("tcx", Version(7, 0))


def test_what_only_hosts_may_lack() -> None:
    rules = skips.rules(["host: no kprobes$", "^tests/net/.*: no fun"])
    assert rules.justify("t: this kernel has no kprobes", Version(6, 1), machine=False)
    assert not rules.justify("t: this kernel has no kprobes", Version(6, 1), machine=True)
    assert rules.justify("tests/net/t: no fun", Version(6, 1), machine=True)
