"""The description of a kept attachment: what is written is what is read."""

from __future__ import annotations

import json

import pytest

from netbpf.errors import InputError
from netbpf.objects.kept import Kept, decode, encode
from netbpf.proto.linktype import LinkType
from netbpf.records import replace
from netbpf.spec import Action, CounterLayout, CounterTable, Key, Target

WHOLE = Kept(
    name="web",
    interface="eth0",
    ifindex=3,
    netns="/run/netns/blue",
    netns_id=(4, 4026532177),
    target=Target.TC_EGRESS,
    expression="tcp port 80 or host münchen.example",
    action=Action.DROP,
    linktype=LinkType.EN10MB,
    since=1700000000.25,
    prog_id=77,
    tag="2a9dd3d2f2ae7e8b",
    insns=42,
    counters=CounterLayout(
        "totals",
        (
            CounterTable(Key.PORT, "by_port", 65537, exact=True),
            CounterTable(Key.FLOW, "by_flow", 4096, exact=False),
        ),
    ),
    version="0.1.0",
)


@pytest.mark.parametrize(
    "kept",
    [
        WHOLE,
        replace(WHOLE, counters=None, netns=""),
        replace(WHOLE, counters=CounterLayout("totals"), linktype=LinkType.RAW),
        replace(WHOLE, expression=""),
    ],
)
def test_read_back(kept: Kept) -> None:
    assert decode(encode(kept)) == kept
    assert decode(encode(kept) + bytes(5)) == kept  # as a map's value is padded


def test_members_of_a_newer_netbpf_are_skipped() -> None:
    content = json.loads(encode(WHOLE)) | {"colour": "green"}
    assert decode(json.dumps(content).encode()) == WHOLE


def test_the_first_format_is_read() -> None:
    content = json.loads(encode(WHOLE)) | {"format": 1}
    assert decode(json.dumps(content).encode()) == WHOLE


def test_another_format_is_refused() -> None:
    content = json.loads(encode(WHOLE)) | {"format": 3}
    with pytest.raises(InputError, match=r"another format \(3\)"):
        decode(json.dumps(content).encode())


MEMBERS = sorted(json.loads(encode(WHOLE)))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_missing_member_is_an_input_error(member: str) -> None:
    content = json.loads(encode(WHOLE))
    del content[member]
    with pytest.raises(InputError):
        decode(json.dumps(content).encode())


TEXTS = {"name", "interface", "expression", "netns", "tag", "version"}  # anything reads as text


@pytest.mark.parametrize("member", sorted({*MEMBERS} - TEXTS))
def test_a_wrong_member_is_an_input_error(member: str) -> None:
    content = json.loads(encode(WHOLE))
    content[member] = ["nonsense"]
    with pytest.raises(InputError):
        decode(json.dumps(content).encode())


@pytest.mark.parametrize("content", [b"", b"\0\0", b"{", b"[]", b"null", b"3", b"\xff\xfe", b"{}"])
def test_what_is_no_description(content: bytes) -> None:
    with pytest.raises(InputError):
        decode(content)
