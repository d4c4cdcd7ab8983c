"""`netbpf compile`: text to code. Needs no root and no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netbpf.cli.compiling import compile_expression
from netbpf.cli.options import (
    examples,
    json_option,
    linktype_option,
    snaplen_option,
    takes_expression,
)
from netbpf.cli.request import Request

if TYPE_CHECKING:
    from netbpf.proto.linktype import LinkType


@click.command(
    epilog=examples(
        ("netbpf compile tcp dst port 80", "a listing, as tcpdump -d prints it"),
        ("netbpf compile -ddd --linktype RAW udp", "for xt_bpf and `tc … bytecode`"),
        ("netbpf compile --target xdp -o web.bpf.o tcp port 80", "an object that libbpf loads"),
        ("netbpf compile --target tc -O0 'ip6 and port 53'", "eBPF, as written"),
    )
)
@click.option(
    "--target", type=click.Choice(["cbpf", "xdp", "tc", "socket"]), default="cbpf",
    show_default=True, help="What to generate code for.",
)  # fmt: skip
@click.option("-d", "form", count=True, help="-d a listing (default), -dd a C array, -ddd numbers.")
@linktype_option
@snaplen_option
@click.option("-o", "object_file", metavar="FILE.bpf.o", help="Write an ELF object (eBPF only).")
@json_option
@takes_expression
def command(
    request: Request,
    target: str,
    form: int,
    linktype: LinkType,
    snaplen: int,
    object_file: str | None,
    as_json: bool,
) -> None:
    """Turn EXPR into BPF code and print it."""
    compile_expression(
        request,
        target=target,
        form=form,
        linktype=linktype,
        snaplen=snaplen,
        object_file=object_file,
        as_json=as_json,
    )
