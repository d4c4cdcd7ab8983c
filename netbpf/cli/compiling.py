"""What `netbpf compile` does, once its options are known. Neighbour: compile, which has them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from netbpf.cli import output
from netbpf.errors import InputError, UsageError

if TYPE_CHECKING:
    from netbpf.cli.request import Request
    from netbpf.proto.linktype import LinkType
    from netbpf.spec import ClassicFilter, ProgramSpec


def compile_expression(
    request: Request,
    *,
    target: str = "cbpf",
    form: int = 0,
    linktype: LinkType | None = None,
    snaplen: int | None = None,
    object_file: str | None = None,
    as_json: bool = False,
) -> None:
    """Compile and print; the defaults are those of the command."""
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
        output.document(_shape(request, target, code))
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


def _shape(request: Request, target: str, code: ClassicFilter | ProgramSpec) -> dict[str, object]:
    """The code has four numbers per instruction for cBPF, one 64-bit hex word for eBPF."""
    return {
        "expr": request.text,
        "target": target,
        "linktype": code.linktype.name,
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
