"""Versions of a program for the plainest packets: untagged, no IPv4 options, no extension headers.

Most packets are such, and for them every header has a place that is known beforehand: nothing needs
to be walked, and most bounds are checked together. A version gives up where a packet turns out not
to be so plain (native.network), and begins anew in the general one: a filter has no effect before
its verdict. Sound only where every match has read the EtherType; on Ethernet.
Depends on native.stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netbpf.expr.lower.native.stack import NativeStack
from netbpf.ir.program import Cmp, Label, MetaField
from netbpf.proto.ethertype import EtherType
from netbpf.proto.linkheader import LINK_HEADERS

COMMON = (EtherType.IPV4, EtherType.IPV6)
"""What plain packets can carry."""


def plain_packets(stack: NativeStack, protocols: Sequence[int]) -> Iterator[int]:
    """Emit the way into the version for each of the protocols, and then into the general one."""
    builder, header = stack.builder, LINK_HEADERS[stack.linktype]
    general, untagged = builder.label("general"), builder.label("untagged")
    if stack.tag_may_be_stripped:
        builder.branch(Cmp.EQ, builder.meta(MetaField.VLAN_PRESENT), 1, general, untagged)
        builder.place(untagged)
    assert header.type_at is not None
    etype = builder.load(None, header.type_at, 2)
    stack.general = general
    for protocol in protocols:
        version, other = builder.label("version"), builder.label()
        builder.branch(Cmp.EQ, etype, protocol, version, other)
        builder.place(version)
        _assume(stack, protocol, header.length, general)
        yield protocol
        builder.place(other)
    stack.general = None
    builder.jump(general)
    builder.place(general)


def _assume(stack: NativeStack, protocol: int, length: int, never: Label) -> None:
    """Assign what the walk of the link header would."""
    builder, scope = stack.builder, stack.scope
    builder.const(length, scope.reg("l3"))
    for name, value in (("etype", protocol), ("tags", 0)):
        # A test that cannot fail tells the builder what it must not emit code for.
        onward = builder.label()
        builder.branch(Cmp.EQ, builder.const(value, scope.reg(name)), value, onward, never)
        builder.place(onward)
