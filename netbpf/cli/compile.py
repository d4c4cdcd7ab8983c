"""`netbpf compile`: text to code. Needs no root and no kernel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from netbpf.cli import output
from netbpf.cli.options import (
    Request,
    examples,
    json_option,
    linktype_option,
    snaplen_option,
    takes_expression,
)
from netbpf.errors import InputError, UsageError

if TYPE_CHECKING:
    from netbpf.proto.linktype import LinkType
    from netbpf.spec import ClassicFilter, ProgramSpec


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
    from netbpf import compiler
    from netbpf.spec import Target

    if object_file is not None and target == "cbpf":
        raise UsageError("-o writes eBPF objects", remedy="add --target xdp, tc or socket")
    options = request.options(linktype=linktype, snaplen=snaplen)
    code = compiler.compile(request.text, target=Target(target), options=options)
    output.warn_all(code.warnings)
    if object_file is not None:
        _write_object(code, object_file)
    if as_json:
        output.document(_shape(request, target, linktype, code))
    elif object_file is None or form:
        sys.stdout.write("\n".join(lines(code, form)) + "\n")


def lines(code: ClassicFilter | ProgramSpec, form: int) -> list[str]:
    """Return the code as text: a listing, with `form` 2 a C array, from 3 on numbers."""
    from netbpf.spec import ClassicFilter

    if isinstance(code, ClassicFilter):
        from netbpf.asm import cbpf_listing

        printers = (cbpf_listing.listing, cbpf_listing.c_array, cbpf_listing.decimal)
        return printers[_index(form)](code.insns)
    from netbpf.asm import disasm

    if _index(form) == 0:
        return disasm.listing(code.insns, dict(code.map_refs))
    if _index(form) == 1:
        return disasm.c_array(code.insns)
    return disasm.words(code.insns)


def _index(form: int) -> int:
    return min(max(form, 1), 3) - 1


def _shape(
    request: Request, target: str, linktype: LinkType, code: ClassicFilter | ProgramSpec
) -> dict[str, object]:
    """The code has four numbers per instruction for cBPF, one 64-bit hex word for eBPF."""
    return {
        "expr": request.text,
        "target": target,
        "linktype": linktype.name,
        "insns": len(code.insns),
        "code": _numbers(code),
        "warnings": list(code.warnings),
    }


def _numbers(code: ClassicFilter | ProgramSpec) -> list[list[int]] | list[str]:
    from netbpf.spec import ClassicFilter

    if isinstance(code, ClassicFilter):
        return [list(insn) for insn in code.insns]
    from netbpf.asm import disasm

    return disasm.words(code.insns)[1:]


def _write_object(code: ClassicFilter | ProgramSpec, path: str) -> None:
    from netbpf.elf.write import write_object
    from netbpf.spec import ProgramSpec

    assert isinstance(code, ProgramSpec)
    content = write_object(code)
    from pathlib import Path  # not above: it takes as long to import as an expression to compile

    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
