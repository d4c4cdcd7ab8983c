"""Objects are read by pyelftools and llvm-objdump, and loaded by libbpf."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from netbpf.asm.disasm import listing
from netbpf.codegen.ebpf import generate
from netbpf.codegen.hooks import hook_for
from netbpf.elf.write import write_object
from netbpf.errors import UsageError
from netbpf.ir.program import Program
from netbpf.ir.text import parse
from netbpf.records import replace
from netbpf.spec import Action, Key, MapSpec, ProgramSpec, Target
from netbpf.uapi.bpf import MapType
from tests.support.tools import require_tool

TEXT = "first\n  or second"
MEMBERS = " ".join(hex(2 * n) for n in range(40))
PROGRAM = parse(
    f"entry:\n  a = load2 12 @ 0:5\n  if a in {{ {MEMBERS} }} goto yes else next @ 0:5\n"
    "next:\n  b = load1 14 @ 11:17\n  if b == 6 goto yes else no @ 11:17\n"
    "yes:\n  match\nno:\n  no match"
)
KEY = parse("outputs p\nentry:\n  p = load2 2\n  match")
FLOW = parse("outputs p p p p p p p p p p\nentry:\n  p = load2 2\n  match")
TARGETS = [Target.XDP, Target.TC, Target.TC_EGRESS, Target.SOCKET]
SECTIONS = {
    Target.XDP: "xdp.frags",
    Target.TC: "tc",
    Target.TC_EGRESS: "tc",
    Target.SOCKET: "socket",
}


def spec(target: Target, program: Program = PROGRAM) -> ProgramSpec:
    keys = {Key.PORT: KEY, Key.FLOW: FLOW}
    made = generate(replace(program, text=TEXT), hook_for(target), keys=keys, capacity=100)
    return replace(made, name="my_filter")


def parsed(data: bytes) -> ELFFile:
    return ELFFile(io.BytesIO(data))


@pytest.mark.parametrize("target", TARGETS)
def test_sections(target: Target) -> None:
    made = spec(target)
    elf = parsed(write_object(made))
    assert (elf.elfclass, elf.little_endian, elf["e_machine"]) == (64, True, "EM_BPF")
    section = SECTIONS[target]
    names = [found.name for found in elf.iter_sections()]
    assert names == [
        *("", section, ".maps", ".rodata", "license", ".BTF", ".BTF.ext"),
        *(f".rel{section}", ".symtab", ".strtab"),
    ]
    assert len(elf.get_section_by_name(section).data()) == 8 * len(made.insns)
    assert elf.get_section_by_name("license").data() == b"Dual BSD/GPL\0"


def test_xdp_without_fragments_has_its_own_section() -> None:
    made = generate(PROGRAM, hook_for(Target.XDP, frags=False))
    assert parsed(write_object(made)).get_section_by_name("xdp") is not None


def test_symbols_and_relocations_name_the_maps() -> None:
    made = spec(Target.XDP)
    elf = parsed(write_object(made))
    symbols = elf.get_section_by_name(".symtab")
    relocations = elf.get_section_by_name(".relxdp.frags")
    found = [
        (entry["r_offset"] // 8, symbols.get_symbol(entry["r_info_sym"]).name)
        for entry in relocations.iter_relocations()
    ]
    assert found == list(made.map_refs)
    assert {name for _, name in found} == {"set0", "totals", "port", "flow"}
    function = symbols.get_symbol_by_name("my_filter")[0]
    assert (function["st_size"], function["st_info"]["type"]) == (8 * len(made.insns), "STT_FUNC")


@pytest.mark.parametrize(
    ("name", "function"),
    [("my_filter", "my_filter"), ("web-80 ü", "web_80__"), ("80", "_80"), ("", "_")],
)
def test_the_function_has_a_name_that_c_allows(name: str, function: str) -> None:
    data = write_object(replace(spec(Target.XDP), name=name))
    symbols = parsed(data).get_section_by_name(".symtab")
    assert symbols.get_symbol(1).name == function
    assert b"\0" + function.encode() + b"\0" in parsed(data).get_section_by_name(".BTF").data()


def test_a_table_is_read_only_data() -> None:
    made = spec(Target.XDP)
    elf = parsed(write_object(made))
    table = next(m for m in made.maps if m.name == "set0")
    assert elf.get_section_by_name(".rodata").data() == table.init[0][1]


def test_contents_that_an_object_cannot_carry() -> None:
    made = spec(Target.XDP)
    hash_map = MapSpec("names", MapType.HASH, 4, 4, 10, init=((bytes(4), bytes(4)),))
    with pytest.raises(UsageError, match="contents of the map names"):
        write_object(replace(made, maps=(*made.maps, hash_map)))


def test_a_program_of_no_target() -> None:
    with pytest.raises(UsageError, match="no target"):
        write_object(replace(spec(Target.XDP), target=None))


def test_writing_needs_no_library() -> None:
    code = "import sys, netbpf.elf.write; print([m for m in sys.modules if 'elftools' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_llvm_reads_the_same_instructions(tmp_path: Path) -> None:
    objdump = require_tool("llvm-objdump")
    made = generate(PROGRAM, hook_for(Target.XDP), action=Action.DROP, counting=False)
    path = tmp_path / "f.bpf.o"
    path.write_bytes(write_object(made))
    done = subprocess.run([objdump, "-d", path], capture_output=True, text=True, check=True)
    lines = re.findall(r"^\s+(\d+):\t(?:[0-9a-f]{2} ?)+\t(.*)$", done.stdout, re.MULTILINE)
    shown = {int(number): plain(text) for number, text in lines}
    ours = {int(line[:4]): plain(line[11:]) for line in listing(made.insns, dict(made.map_refs))}
    assert shown == ours


def plain(text: str) -> str:
    """Write an instruction as LLVM and the kernel both could."""
    text = re.sub(r" <\w.*>|pc(?=[+-])|bpf_\w+#| ll$", "", text)
    text = re.sub(r"0x[0-9a-f]+", lambda found: str(int(found[0], 16)), text)
    text = re.sub(r"map\[\w+\]\[0\]\+", "", text)
    return re.sub(r"(?<=r\d) ([+-]) (?=\d+\))|(?<=r10) ([+-]) (?=\d+\))", r" \1\2", text)


JUMBO = pytest.mark.needs_kernel("XDP programs for jumbo frames")  # the section is xdp.frags


@pytest.mark.root
@pytest.mark.parametrize(
    "target", [pytest.param(x, marks=JUMBO) if x is Target.XDP else x for x in TARGETS]
)
def test_libbpf_loads_the_object(target: Target, tmp_path: Path) -> None:
    bpftool = require_tool("bpftool")
    made = spec(target)
    path, pin = tmp_path / "f.bpf.o", Path(f"/sys/fs/bpf/netbpf-test-{os.getpid()}")
    path.write_bytes(write_object(made))
    try:
        run(bpftool, "prog", "load", str(path), str(pin))
        shown = json.loads(run(bpftool, "-j", "prog", "show", "pinned", str(pin)))
        assert shown["name"] == "my_filter"
        assert len(shown["map_ids"]) == len(made.maps)
        dump = run(bpftool, "prog", "dump", "xlated", "pinned", str(pin), "linum")
    finally:
        pin.unlink(missing_ok=True)
    sources = re.findall(r"^; (.*) \[file:\S+ line_num:(\d+) line_col:(\d+)\]$", dump, re.MULTILINE)
    assert set(sources) == {("first", "1", "1"), ("or second", "2", "6")}


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
