"""docs/language.md: what it shows compiles, or fails with the very words that it shows."""

from __future__ import annotations

import re

import pytest

from netbpf.compiler import Options, to_ir
from netbpf.errors import ExpressionError
from netbpf.expr.elements import parse_elements
from netbpf.expr.names import SystemResolver
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse
from netbpf.expr.words import EXTENSIONS, KEYWORDS
from tests.support.names import FakeResolver
from tests.support.tools import REPOSITORY

PAGE = (REPOSITORY / "docs" / "language.md").read_text()


class Resolver(FakeResolver):
    """Knows what the page's examples name."""

    def hosts(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return ((0x0A000001,) if name == "tcp" else ()), ()

    def interface(self, name: str) -> int | None:
        return 1 if name == "lo" else None


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def expressions() -> list[str]:
    lines = [line for block in blocks("filter") for line in block.splitlines()]
    return [re.sub(r"  #.*", "", line) for line in lines]


def errors() -> list[str]:
    return [case.strip("\n") for block in blocks("error") for case in block.split("\n\n")]


@pytest.mark.parametrize("text", expressions())
def test_expressions_compile(text: str) -> None:
    options = Options(
        resolver=Resolver(),
        netmask=0xFFFFFF00,
        live=True,
        sets={"blocklist": parse_elements("192.0.2.0/24"), "open": parse_elements("22\n80-90")},
    )
    assert to_ir(text, options).expr is not None


@pytest.mark.parametrize("rendered", errors())
def test_errors_are_these(rendered: str) -> None:
    text = rendered.splitlines()[1].removeprefix("    ")
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.render() == rendered


def test_every_fence_is_tested() -> None:
    assert set(re.findall(r"^```(.*)$", PAGE, re.MULTILINE)) == {"filter", "error", ""}
    assert len(expressions()) > 120


@pytest.mark.parametrize("word", EXTENSIONS)
def test_every_extension_is_shown(word: str) -> None:
    assert any(word in text.split() or f"{word}[" in text for text in expressions())


REFUSED = {"addr1", "addr2", "addr3", "addr4", "ra", "ta", "address1", "address2", "address3",
           "address4", "radio"}  # fmt: skip


def test_every_usual_keyword_is_on_the_page() -> None:
    ours = {
        word
        for word, (kind, _) in KEYWORDS.items()
        if kind.name in ("PROTO", "DIRECTION", "KIND", "TUNNEL", "INBOUND", "OUTBOUND", "LLC",
                         "LESS", "GREATER", "BYTE", "BROADCAST", "MULTICAST", "IFINDEX", "MASK")
    }  # fmt: skip
    aliases = {"ppp", "slip", "fddi", "tr", "wlan", "es-is", "is-is"}
    page = set(re.findall(r"[\w-]+", PAGE))
    assert ours - REFUSED - aliases - page == set()


@pytest.mark.parametrize("text", expressions())
def test_what_is_no_extension_parses_in_the_pcap_dialect(text: str) -> None:
    extended = re.search(rf"[{{@\"]|\b({'|'.join(EXTENSIONS)})\b|tcp flags|vxlan( 42)? port", text)
    if extended is None or "\\gre" in text:
        parse(text, dialect=Dialect.PCAP)
    else:
        with pytest.raises(ExpressionError):
            parse(text, dialect=Dialect.PCAP)


def test_the_services_of_the_page_are_known() -> None:
    assert SystemResolver().port("http", "tcp") == 80
    assert SystemResolver().port("domain", "udp") == 53
