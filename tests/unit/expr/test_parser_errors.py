"""What the parser says about wrong expressions: whole messages, as users see them."""

from __future__ import annotations

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse

# Each case is what is rendered: the message, the expression, the caret and the hint. The expression
# is taken from the second line.
BOTH_DIALECTS = r"""
expected a primitive, found 'prot'
    tcp dst prot 80
            ^^^^ did you mean 'port'?

expected a primitive, found 'prot'
    host a or prot 80
              ^^^^ did you mean 'port'?

expected 'and' or 'or', found 'prot'
    tcp prot 80
        ^^^^ did you mean 'port'?

'443' has no qualifiers: those in the parentheses end there
    (port 80) or 443
                 ^^^ did you mean 'port 443'?

'b' has no qualifiers: those in the parentheses end there
    (src host a or tcp) and b
                            ^ did you mean 'host b'?

'80' has no qualifiers to inherit from 'tcp'
    tcp or 80
           ^^ did you mean 'port 80'?

'1.2.3.4' has no qualifiers to inherit from 'tcp'
    tcp or 1.2.3.4
           ^^^^^^^ did you mean 'host 1.2.3.4'?

'80' has no qualifiers to inherit
    tcp and (80 or 443)
             ^^ did you mean 'port 80'?

'443' has no qualifiers to inherit from 'len > 5'
    port 80 or len > 5 or 443
                          ^^^ did you mean 'port 443'?

expected a primitive, found '80'
    80
    ^^ did you mean 'port 80'?

expected a primitive, found '1.2.3.4'
    1.2.3.4
    ^^^^^^^ did you mean 'host 1.2.3.4'?

expected a primitive, found '10.0.0.0'
    10.0.0.0/8
    ^^^^^^^^ did you mean 'net 10.0.0.0…'?

expected a primitive, found '1:2:3:4:5:6'
    1:2:3:4:5:6
    ^^^^^^^^^^^ did you mean 'ether host 1:2:3:4:5:6'?

expected a comparison, found the end of the expression
    10/8
        ^ did you mean 'net 10.0.0.0/8'?

expected 'and' or 'or', found '/'
    net 10/8
          ^ a network is written with its dots: 10.0.0.0/…

expected a primitive, found 'TCP'
    TCP port 80
    ^^^ did you mean 'tcp'?

expected a primitive, found 'foo'
    foo
    ^^^ did you mean 'host foo'?

expected a primitive, found the end of the expression
    tcp and
           ^

expected a primitive, found 'or'
    tcp or or udp
           ^^

expected a primitive, found ')'
    ()
     ^

expected 'and' or 'or', found '443'
    tcp port 80 443
                ^^^

expected 'and' or 'or', found 'adn'
    tcp port 80 adn udp
                ^^^ did you mean 'and'?

this '(' is never closed
    udp or (tcp port 80
           ^

this '(' is never closed
    tcp port (80 or 443
             ^

this ')' closes nothing
    tcp port 80)
               ^

this '[' is never closed
    tcp[13
       ^

expected 'and', 'or' or ')', found '443'
    (port 80 443)
             ^^^

expected a comparison, found the end of the expression
    tcp[13] & tcp-syn
                     ^ a value alone says nothing; compare it, as in '… != 0'

expected an operator or a comparison, found '5'
    len 5
        ^

expected a value, found the end of the expression
    len >
         ^

expected a value, found '10-5'
    len > 10-5
          ^^^^ for a subtraction write spaces: 10 - 5

expected a value, found 'icmp-ecko'
    icmp[icmptype] = icmp-ecko
                     ^^^^^^^^^ did you mean 'icmp-echo'?

expected 'and' or 'or', found '>'
    tcp > 5
        ^ a byte of a header is written 'tcp[0]'

expected a value, found 'tcp'
    5 > tcp
        ^^^ a byte of a header is written 'tcp[0]'

expected 'and' or 'or', found '<'
    1 < len < 5
            ^ write one comparison on each side of 'and'

expected 'and' or 'or', found '['
    len = len[5]
             ^ only a protocol can be indexed, as in 'tcp[13]'

data size must be 1, 2, or 4
    tcp[13:3] = 1
           ^

expected an operator, ':' or ']', found ')'
    tcp[13) = 1
          ^

expected a port, found the end of the expression
    tcp port
            ^

expected a port, found '>'
    port > 1024
         ^ did you mean 'portrange 1025-65535'?

expected 'and' or 'or', found '-'
    portrange 80 - 90
                 ^ a range is written without spaces: portrange 80-90

expected a host, found 'tcp'
    ip host tcp
            ^^^ a keyword; for a name of this spelling write '\tcp'

expected 'dst', found 'host'
    src or host foo
           ^^^^

'proto' takes no direction
    dst proto 1
        ^^^^^

'port' qualifier applied to IPv4 address
    port 1.2.3.4
         ^^^^^^^

'proto' qualifier applied to IPv6 address and prefix length
    ip6 proto fe80::/10
              ^^^^^^

invalid IPv4 address '12.500'
    host 12.500
         ^^^^^^

invalid IPv6 address fe80::256.20.30.40
    host fe80::256.20.30.40
         ^^^^^^^^^^^^^^^^^^

invalid Ethernet address 1:2:3:4:5:6:7
    ether host 1:2:3:4:5:6:7
               ^^^^^^^^^^^^^

'fe80:0:0:0:0:0:0:0:0' is not an address
    ip6 host fe80:0:0:0:0:0:0:0:0
             ^^^^^^^^^^^^^^^^^^^^

non-network bits set in "10.1.2.3/8"
    net 10.1.2.3/8
        ^^^^^^^^^^ did you mean '10.0.0.0/8'?

non-network bits set in "1.2.3.4 mask 255.255.255.0"
    net 1.2.3.4 mask 255.255.255.0
        ^^^^^^^^^^^^^^^^^^^^^^^^^^

non-network bits set in "fe80::1/10"
    net fe80::1/10
        ^^^^^^^^^^ did you mean 'fe80::/10'?

netmask length 33 greater than maximum 32
    net 10.0.0.0/33
                 ^^

mask length must be <= 128
    net fe80::/129
               ^^^

'host' is not a valid qualifier for '10.0.0.0/8'
    host 10.0.0.0/8
         ^^^^^^^^^^ did you mean 'net 10.0.0.0/8'?

'host' is not a valid qualifier for 'fe80::/16'
    src fe80::/16
        ^^^^^^^^^ did you mean 'net fe80::/16'?

hexadecimal number 0x1ffffffff overflows 32 bits
    len = 0x1ffffffff
          ^^^^^^^^^^^

number 09 contains non-octal digit
    port 09
         ^^

expected a number, found 'tcp'
    mpls (tcp)
          ^^^

expected 'and' or 'or', found '10'
    pppoed 10
           ^^

expected a number of bytes, found 'foo'
    less foo
         ^^^

expected one of & | < > =, found '!'
    byte 0 ! 5
           ^

unknown LLC type name "foo"
    llc foo
        ^^^

unknown 802.11 type name "foo"
    type foo
         ^^^

expected an interface's name, found '5'
    ifname 5
           ^

unexpected 'é'
    host é
         ^ a name with such letters needs a backslash before it
"""

DEFAULT_DIALECT = r"""
expected an operator or a comparison, found '5'
    ttl 5
        ^

expected a comparison, found the end of the expression
    ttl
       ^

unknown DSCP name 'foo'
    dscp foo
         ^^^

unknown DSCP name 'foo'
    dscp = foo
           ^^^

'foo' is no TCP flag
    tcp flags foo
              ^^^ the flags are fin, syn, rst, push, ack, urg, ece, cwr

expected a TCP flag, found the end of the expression
    tcp flags syn,
                  ^

no packet has 'syn' both set and clear
    tcp flags syn,!syn
        ^^^^^^^^^^^^^^

expected '[' or 'starts' after 'payload', found the end of the expression
    payload
           ^

expected a string, such as "GET ", found 'GET'
    payload starts GET
                   ^^^

a string without its closing quote
    payload starts "abc
                   ^

unknown escape '\q'
    payload starts "ab\q"
                      ^ escapes are \n \r \t \\ \" and \xNN

\x needs two hexadecimal digits
    payload starts "\x1"
                    ^

the string must have 1 to 64 bytes, not 0
    payload starts ""
                   ^^

expected '(' after 'inner', found 'tcp'
    inner tcp
          ^^^

this '(' is never closed
    inner (tcp
          ^

expected 'and' or 'or', found '80'
    port in 80
            ^^ a set is written 'in {80, 443}'

expected ',' or '}', found the end of the expression
    port in {80
               ^

expected ',' or '}', found '443'
    port in {80 443}
                ^^^

the set is empty
    port in {}
            ^^

'host' is not a valid qualifier for '10.0.0.0/8'
    host in {10.0.0.0/8}
             ^^^^^^^^^^ did you mean 'net 10.0.0.0/8'?

'port' qualifier applied to IPv4 address
    port in {1.2.3.4}
             ^^^^^^^

expected the name of a set, found '5'
    host in @5
             ^

expected a primitive, found '@'
    @foo
    ^ sets follow a qualifier and 'in': port in {80, 443}

expected a VLAN number or a range of them, found 'a-b'
    vlan in {a-b}
             ^^^
"""

PCAP_DIALECT = r"""
expected a primitive, found 'frag'
    frag later
    ^^^^ 'frag' is a word of the default dialect only

expected 'and' or 'or', found 'flags'
    tcp flags syn
        ^^^^^

'{' is not a part of the pcap dialect
    port in {80, 443}
            ^

expected a protocol, found 'tcp'
    ip proto tcp
             ^^^ a keyword; for a name of this spelling write '\tcp'

expected an identifier, found a parenthesis
    port ((80 or 443) and 22)
          ^^^^^^^^^^^ leave the inner parentheses out
"""


def cases(text: str) -> list[str]:
    return [case.strip("\n") for case in text.split("\n\n")]


def check(rendered: str, dialect: Dialect) -> None:
    text = rendered.splitlines()[1].removeprefix("    ")
    with pytest.raises(ExpressionError) as caught:
        parse(text, dialect=dialect)
    assert caught.value.render() == rendered


@pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)
@pytest.mark.parametrize("rendered", cases(BOTH_DIALECTS))
def test_both_dialects(rendered: str, dialect: Dialect) -> None:
    check(rendered, dialect)


@pytest.mark.parametrize("rendered", cases(DEFAULT_DIALECT))
def test_default_dialect(rendered: str) -> None:
    check(rendered, Dialect.NETBPF)


@pytest.mark.parametrize("rendered", cases(PCAP_DIALECT))
def test_pcap_dialect(rendered: str) -> None:
    check(rendered, Dialect.PCAP)


def test_long_words_are_cut() -> None:
    with pytest.raises(ExpressionError) as caught:
        parse("tcp and ) " + "x" * 1000)
    assert len(caught.value.render()) < 300
    with pytest.raises(ExpressionError) as caught:
        parse("x" * 1000)
    assert len(caught.value.render()) < 400
