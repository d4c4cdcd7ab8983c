"""Set files."""

from __future__ import annotations

import time

import pytest

from netbpf.errors import InputError, Span
from netbpf.expr.elements import parse_elements
from netbpf.expr.nodes import Identifier, IPv4, IPv6, Mac, Name, Number

NOWHERE = Span(0, 0)


@pytest.mark.parametrize(
    ("line", "element"),
    [
        ("10.1.2.3", IPv4("10.1.2.3", 0x0A010203, 32, NOWHERE)),
        ("  10.1.2.0/24  # a net", IPv4("10.1.2.0", 0x0A010200, 32, NOWHERE, length=24)),
        ("10.1.2.3/32", IPv4("10.1.2.3", 0x0A010203, 32, NOWHERE)),
        ("0.0.0.0/0", IPv4("0.0.0.0", 0, 32, NOWHERE, length=0)),
        ("10.1/16", IPv4("10.1", 0x0A01, 16, NOWHERE, length=16)),
        ("10.0.0.0 mask 255.0.0.0",
         IPv4("10.0.0.0", 0x0A000000, 32, NOWHERE, mask=0xFF000000, mask_bits=32)),
        ("2001:db8::/32\r", IPv6("2001:db8::", 0x20010DB8 << 96, NOWHERE, length=32)),
        ("::1", IPv6("::1", 1, NOWHERE)),
        ("::ffff:1.2.3.4", IPv6("::ffff:1.2.3.4", 0xFFFF01020304, NOWHERE)),
        ("02:00:00:00:00:01", Mac(0x020000000001, NOWHERE)),
        ("80", Number(80, NOWHERE)),
        ("0x50", Number(80, NOWHERE)),
        ("8000-8099", Name("8000-8099", False, NOWHERE)),
        ("www.example.org", Name("www.example.org", False, NOWHERE)),
        ("tcp", Name("tcp", False, NOWHERE)),
        ("\\tcp", Name("tcp", True, NOWHERE)),
    ],
)  # fmt: skip
def test_one_line(line: str, element: Identifier) -> None:
    assert parse_elements(line) == (element,)


def test_comments_and_empty_lines() -> None:
    assert parse_elements("") == ()
    assert parse_elements("# nothing\n\n   \n#") == ()
    assert len(parse_elements("1.2.3.4\n# two\n::1\n")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.2.3.4\n1.2.3.400", "set 'x', line 2: invalid IPv4 address '1.2.3.400'"),
        ("10.0.0.1/8", "set 'x', line 1: non-network bits set in \"10.0.0.1/8\""),
        ("fe80::1/10", "set 'x', line 1: non-network bits set in \"fe80::1/10\""),
        ("10.0.0.0/33", "set 'x', line 1: netmask length 33 greater than maximum 32"),
        ("10.0.0.0/-1", "set 'x', line 1: expected a prefix length, found '-'"),
        ("\n\na b", "set 'x', line 3: expected one element a line, found 'b'"),
        ("4294967296", "set 'x', line 1: decimal number 4294967296 overflows 32 bits"),
        ("1:2:3", "set 'x', line 1: invalid Ethernet address 1:2:3"),
        ("{", "set 'x', line 1: expected a network, found '{'"),
        ("\0", "set 'x', line 1: unexpected character 0x00"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_elements(text, name="x")
    assert caught.value.message == message


def test_errors_without_a_name() -> None:
    with pytest.raises(InputError, match=r"^line 1: "):
        parse_elements("{")


@pytest.mark.parametrize("form", ["10.{0}.{1}.0/24", "2001:db8:{0:x}:{1:x}::/64"])
def test_large_files_are_quick(form: str) -> None:
    text = "\n".join(form.format(i >> 8 & 0xFF, i & 0xFF) for i in range(100_000))
    start = time.process_time()
    assert len(parse_elements(text)) == 100_000
    assert time.process_time() - start < 2  # 0.3 s on an idle machine
