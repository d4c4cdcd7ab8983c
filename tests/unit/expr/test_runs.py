"""Long lists in an expression mean what they mean element by element.

`||` is not looked at by expr.runs, so the same text with it is what to compare with.
"""

from __future__ import annotations

import pytest

from netbpf.compiler import Options, compile, to_ir  # noqa: A004
from netbpf.errors import ExpressionError
from netbpf.expr.listing import LONG, Listing
from netbpf.expr.nodes import AddressSet, Chain, Dialect, Expr, Not, Primitive
from netbpf.expr.parser import parse
from netbpf.spec import ProgramSpec, Target

COUNT = LONG + 8
PORTS = [str(number * 7 % 60 + 1) for number in range(COUNT)]
HOSTS = [f"10.0.{n % 5}.{n * 11 % 256}" for n in range(COUNT)]
NETS = [f"{n % 9 + 1}.{n}.0.0/{16 + n % 3}" if n % 4 else HOSTS[n] for n in range(COUNT)]


def alternatives(head: str, words: list[str]) -> str:
    return " or ".join(f"{head} {word}" for word in words)


LISTS = {
    "ports": alternatives("port", PORTS),
    "tcp ports": alternatives("tcp  dst\nport", PORTS),
    "bare ports": f"port {' or '.join(PORTS)}",
    "ports in parentheses": f"port ({' or '.join(PORTS)})",
    "hosts": alternatives("host", HOSTS),
    "hosts by direction": alternatives("src or dst host", HOSTS),
    "hosts without a kind": alternatives("src", HOSTS),
    "some bare": alternatives("host", HOSTS[:20]) + " or " + " or ".join(HOSTS[20:]),
    "networks": alternatives("net", NETS),
    "source networks": alternatives("ip src net", NETS),
}


def leaves(expr: Expr | None) -> list[Expr]:
    """Return the leaves, in order."""
    if isinstance(expr, Chain):
        return [leaf for one in (expr.first, *(t for _, t in expr.rest)) for leaf in leaves(one)]
    if isinstance(expr, Not):
        return leaves(expr.operand)
    return [] if expr is None else [expr]


def lists(text: str, dialect: Dialect = Dialect.NETBPF) -> list[int]:
    """Return how many elements each list has."""
    found = leaves(parse(text, dialect=dialect))
    idents = (leaf.ident for leaf in found if isinstance(leaf, Primitive))
    sets = (ident.elements for ident in idents if isinstance(ident, AddressSet))
    return [len(elements) for elements in sets if isinstance(elements, Listing)]


def without_lists(text: str) -> str:
    return text.replace(" or ", " || ")


def check_same(text: str, dialect: Dialect, target: Target) -> None:
    """Compare with the code of the text without lists.

    eBPF code for lists can be shorter: where the same list is asked for twice, passes see it.
    """
    options = Options(dialect=dialect)
    fast = compile(text, target=target, options=options)
    slow = compile(without_lists(text), target=target, options=options)
    if isinstance(fast, ProgramSpec) and isinstance(slow, ProgramSpec):
        assert fast.maps == slow.maps
        assert len(fast.insns) <= len(slow.insns)
    else:
        assert fast.insns == slow.insns


@pytest.mark.parametrize(
    ("dialect", "target"), [(Dialect.PCAP, Target.CBPF), (Dialect.NETBPF, Target.XDP)]
)
@pytest.mark.parametrize("name", LISTS)
def test_code_is_the_same(name: str, dialect: Dialect, target: Target) -> None:
    assert lists(LISTS[name], dialect) == [COUNT]
    check_same(LISTS[name], dialect, target)


RUN = LISTS["ports"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"tcp and {RUN}", [COUNT - 1]),
        (f"tcp or {RUN}", [COUNT]),
        (f"{RUN} and tcp", [COUNT]),
        (f"({RUN}) and ip", [COUNT]),
        (f"tcp and ({RUN})", [COUNT]),
        (f"not ({RUN})", [COUNT]),
        (f"not {RUN}", [COUNT - 1]),
        (f"{RUN} or port 1 and ip", [COUNT + 1]),
        (f"{RUN} or portrange 1-5 or {RUN}", [COUNT, COUNT]),
        (f"{RUN} or 80 > tcp[0]", [COUNT]),
        (f"{RUN} or 80 + 2 = len", [COUNT]),
        (f"{RUN} or port 010 or ip", [COUNT]),
        (f"port (1) or {' or '.join(PORTS)}", [COUNT + 1]),
        (f"(port 1) or {RUN}", [COUNT]),
        (f"{alternatives('net', NETS)} or 10.0.0.0 mask 255.0.0.0", [COUNT]),
        (f"{alternatives('net', NETS)} or 10.1.0.0 /16", [COUNT]),
        (f"src and dst port {' or '.join(PORTS)}", []),
        (f"{alternatives('tcp port', PORTS[:20])} or {alternatives('udp port', PORTS[20:])}", []),
        (alternatives("port", PORTS[: LONG - 1]), []),
    ],
)  # fmt: skip
def test_what_is_around_them(text: str, expected: list[int]) -> None:
    assert lists(text) == expected
    check_same(text, Dialect.PCAP, Target.XDP)


@pytest.mark.parametrize(
    "text", [f"({RUN}) or 7 or 8", f"(port 1) or {' or '.join(PORTS)}", f"{RUN} or-"]
)
def test_what_is_wrong_behind_them(text: str) -> None:
    complaints = []
    for one in (text, without_lists(text)):
        with pytest.raises(ExpressionError) as caught:
            compile(one)
        complaints.append((caught.value.message, caught.value.hint))
    assert complaints[0] == complaints[1]


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("port 65536", "port number 65536 greater than maximum 65535"),
        ("port 99999", "port number 99999 greater than maximum 65535"),
        ("port 08", "number 08 contains non-octal digit"),
    ],
)
def test_wrong_ports_are_found(last: str, message: str) -> None:
    for text in (f"{RUN} or {last}", f"{last} or {RUN}"):
        with pytest.raises(ExpressionError) as caught:
            to_ir(text)
        assert caught.value.message == message
        span = caught.value.span
        assert text[span.start : span.end] == last.removeprefix("port ")


@pytest.mark.parametrize("wrong", ["10.0.0.256", "10.0.0.1/8", "10.0.0.0/33", "1.2.3.4.5"])
def test_wrong_networks_are_found(wrong: str) -> None:
    words = [*NETS[:10], wrong, *NETS[10:]]
    for text in (alternatives("net", words), f"net in {{{', '.join(words)}}}"):
        with pytest.raises(ExpressionError) as caught:
            to_ir(text)
        at = text.index(wrong)
        assert at <= caught.value.span.start < caught.value.span.end <= at + len(wrong)


@pytest.mark.parametrize(
    ("head", "words"), [("port", PORTS), ("host", HOSTS), ("dst net", NETS)]
)  # fmt: skip
def test_sets(head: str, words: list[str]) -> None:
    text = f"{head} in {{{', '.join(words)} }} and ip"
    assert lists(text) == [COUNT]
    assert compile(text).insns == compile(alternatives(head, words) + " and ip").insns


def test_without_optimisation_each_is_a_test() -> None:
    blocks = [len(to_ir(RUN, Options(optimise=flag)).program.blocks) for flag in (False, True)]
    assert blocks[0] > 2 * COUNT + blocks[1]
