"""Compile tests/bench/c with clang -O2: what a good programmer would have written by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

from netbpf.asm.ebpf import decode
from netbpf.spec import ProgramSpec, Target
from netbpf.uapi.bpf import ProgType
from tests.bench.expressions import Expression

SOURCES = Path(__file__).with_name("c")
# v3: 32-bit arithmetic and jumps, which netbpf uses, too.
OPTIONS = ("-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wno-unused-function", "-Werror")


def compiled(clang: str, expression: Expression, folder: Path) -> dict[str, ProgramSpec]:
    """Return the programs of an expression's C file by dialect."""
    from elftools.elf.elffile import ELFFile

    (folder / "members.h").write_text(expression.define + "\n")
    target = folder / f"{expression.c}.o"
    subprocess.run(
        [clang, *OPTIONS, f"-I{folder}", "-c", SOURCES / f"{expression.c}.c", "-o", target],
        check=True,
    )
    with target.open("rb") as file:
        elf = ELFFile(file)
        for dialect in ("pcap", "netbpf"):
            assert elf.get_section_by_name(f".rel{dialect}") is None, "code that wants a linker"
        return {
            dialect: _spec(expression, elf.get_section_by_name(dialect).data())
            for dialect in ("pcap", "netbpf")
        }


def _spec(expression: Expression, code: bytes) -> ProgramSpec:
    return ProgramSpec(
        f"c_{expression.c}"[:15], ProgType.XDP, None, decode(code), (), (),
        text=expression.text, target=Target.XDP,
    )  # fmt: skip
