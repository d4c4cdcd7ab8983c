"""docs/kernels.md says what the probes ask, and the code says what it does without."""

from __future__ import annotations

import re

import pytest

from netbpf.kernel import facts, features
from netbpf.kernel.features import Topic
from netbpf.kernel.version import parse
from netbpf.link import features as attaching
from tests.support.kernels import PAGE, is_new, renewed, topics


def test_the_tables_are_those_of_the_code() -> None:
    page = PAGE.read_text()
    assert renewed(page) == page, "run `make docs`"


def test_no_two_topics_have_one_name() -> None:
    probes = [*features.PROBES, *attaching.PROBES]
    names = [one.name for one in [*facts.TOPICS, *(probe.topic for probe in probes)]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_what_supported_kernels_lack_is_done_without(topic: Topic) -> None:
    assert re.fullmatch(r"\d\.\d+", topic.since)
    assert topic.use
    assert topic.without or not is_new(topic)


def test_the_prose_names_no_version_that_netbpf_is_not_meant_for() -> None:
    prose = re.sub(r"^\|.*$", "", PAGE.read_text(), flags=re.MULTILINE)
    named = {parse(version) for version in re.findall(r"Linux (\d\.\d+)", prose)}
    assert min(named) >= facts.OLDEST
