from __future__ import annotations

import json
from pathlib import Path

import pytest

from netbpf.asm import cbpf, ebpf
from tests.unit.cli.conftest import Cli

IP = [[40, 0, 0, 12], [21, 0, 1, 2048], [6, 0, 0, 262144], [6, 0, 0, 0]]
PCAP = "--pcap-compat"


def test_listing_is_the_default(cli: Cli) -> None:
    lines = [
        "(000) ldh      [12]",
        "(001) jeq      #0x800           jt 2\tjf 3",
        "(002) ret      #262144",
        "(003) ret      #0",
    ]
    shown = "\n".join(lines) + "\n"
    assert cli("compile", PCAP, "ip") == (0, shown, "")
    assert cli("compile", PCAP, "-d", "ip").out == shown


def test_c_array(cli: Cli) -> None:
    assert cli("compile", PCAP, "-dd", "ip").out == (
        "{ 0x28, 0, 0, 0x0000000c },\n"
        "{ 0x15, 0, 1, 0x00000800 },\n"
        "{ 0x6, 0, 0, 0x00040000 },\n"
        "{ 0x6, 0, 0, 0x00000000 },\n"
    )


def test_numbers(cli: Cli) -> None:
    shown = "4\n" + "".join(f"{a} {b} {c} {d}\n" for a, b, c, d in IP)
    assert cli("compile", PCAP, "-ddd", "ip").out == shown
    assert cli("compile", PCAP, "-dddd", "ip").out == shown


def test_json(cli: Cli) -> None:
    assert json.loads(cli("compile", PCAP, "--json", "ip").out) == {
        "expr": "ip",
        "target": "cbpf",
        "linktype": "EN10MB",
        "insns": 4,
        "code": IP,
        "warnings": [],
    }


@pytest.mark.parametrize("target", ["xdp", "tc", "socket"])
def test_ebpf_forms_hold_the_same_code(cli: Cli, target: str) -> None:
    command = ("compile", "--target", target, "ip")
    document = json.loads(cli(*command, "--json").out)
    count, *words = cli(*command, "-ddd").out.split()
    code = b"".join(int(word, 16).to_bytes(8, "little") for word in words)
    insns = ebpf.decode(code, byteorder="little")
    assert document["code"] == words
    assert document["insns"] == int(count) == len(insns)
    array = [
        f"{{ .code = {i.code:#04x}, .dst_reg = {i.dst}, .src_reg = {i.src}, "
        f".off = {i.off}, .imm = {i.imm} }},"
        for i in insns
    ]
    assert cli(*command, "-dd").out.splitlines() == array
    listing = cli(*command).out.splitlines()
    assert listing[0] == "   0: (bf) r6 = r1"
    assert listing[-1].endswith("exit")


@pytest.mark.parametrize("words", [(), ("",)], ids=["no words", "empty"])
def test_nothing_matches_everything(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("compile", *words).out == "(000) ret      #262144\n"


def test_words_need_no_quotes(cli: Cli) -> None:
    assert cli("compile", "tcp", "port", "80").out == cli("compile", "tcp port 80").out


def test_snaplen(cli: Cli) -> None:
    assert cli("compile", "--snaplen", "96").out == "(000) ret      #96\n"


@pytest.mark.parametrize("name", ["RAW", "raw", "DLT_RAW", "101", "LINKTYPE_RAW"])
def test_linktype(cli: Cli, name: str) -> None:
    assert json.loads(cli("compile", "--json", "--linktype", name, "ip").out)["linktype"] == "RAW"
    assert cli("compile", "--linktype", name, "ip").out != cli("compile", "ip").out


def test_an_unknown_linktype(cli: Cli) -> None:
    result = cli("compile", "--linktype", "FDDI", "ip")
    assert result.code == 2
    assert "'FDDI' is none of NULL, EN10MB, PPP, RAW" in result.err


def test_no_optimisation(cli: Cli) -> None:
    text = "tcp port 80 or tcp port 443"
    plain = json.loads(cli("compile", PCAP, "-O0", "--json", text).out)["insns"]
    assert plain > json.loads(cli("compile", PCAP, "--json", text).out)["insns"]
    assert cli("compile", "-O", "7", "ip").code == 2


@pytest.mark.parametrize("mask", ["255.255.255.0", "0xffffff00"])
def test_netmask(cli: Cli, mask: str) -> None:
    assert "0xff" in cli("compile", "--netmask", mask, "ip broadcast").out
    assert cli("compile", "ip broadcast").code == 2


@pytest.mark.parametrize("mask", ["255.255.0", "1.2.3.256", "0x1ffffffff", "1.2.3.x", "-1.0.0.0"])
def test_a_bad_netmask(cli: Cli, mask: str) -> None:
    result = cli("compile", "--netmask", mask, "ip")
    assert result.code == 2
    assert f"{mask!r} is not a netmask such as 255.255.255.0" in result.err


def test_expression_from_a_file(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "expression"
    path.write_text("tcp dst\n  port 80\n")
    assert cli("compile", "-F", str(path)).out == cli("compile", "tcp dst port 80").out
    both = cli("compile", "-F", str(path), "ip")
    assert (both.code, both.err) == (2, "netbpf: give EXPR or -F FILE, not both\n")
    absent = cli("compile", "-F", str(tmp_path / "absent"))
    assert (absent.code, "No such file" in absent.err) == (1, True)
    path.write_bytes(b"tcp \xff")
    assert cli("compile", "-F", str(path)).err.endswith(": is not text (byte 4 is not UTF-8)\n")


def test_sets_from_files(cli: Cli, tmp_path: Path) -> None:
    ports = tmp_path / "ports"
    ports.write_text("# web\n80\n443 # tls\n\n8000-8099\n")
    named = cli("compile", "--set", f"web={ports}", "tcp port in @web")
    assert named.code == 0
    assert named.out == cli("compile", "--no-names", "tcp port in {80, 443, 8000-8099}").out
    assert cli("compile", "--set", f"@web={ports}", "tcp port in @web").code == 0


@pytest.mark.parametrize("given", ["web", "=x", "web="])
def test_a_bad_set_option(cli: Cli, given: str) -> None:
    assert cli("compile", "--set", given, "ip") == (
        2,
        "",
        f"netbpf: --set {given}: NAME=FILE is wanted\n",
    )


def test_a_bad_set_file(cli: Cli, tmp_path: Path) -> None:
    ports = tmp_path / "ports"
    ports.write_text("80\n???\n")
    result = cli("compile", "--set", f"web={ports}", "tcp port in @web")
    assert result.code == 1
    assert "line 2" in result.err
    assert cli("compile", "--set", f"web={tmp_path / 'no'}", "tcp port in @web").code == 1
    assert cli("compile", "tcp port in @web").code == 2


def test_warnings_go_to_standard_error(cli: Cli) -> None:
    result = cli("compile", "ip and not ip")
    assert result.code == 0
    assert result.err == "netbpf: warning: the expression rejects all packets\n"
    document = json.loads(cli("compile", "--json", "ip and not ip").out)
    assert document["warnings"] == ["the expression rejects all packets"]


def test_no_names(cli: Cli) -> None:
    result = cli("compile", "--no-names", "host example.invalid")
    assert result.code == 2
    assert "name look-ups are off" in result.err


@pytest.mark.parametrize("target", ["xdp", "tc", "socket"])
def test_object_file(cli: Cli, tmp_path: Path, target: str) -> None:
    path = tmp_path / "filter.bpf.o"
    assert cli("compile", "--target", target, "-o", str(path), "tcp port 80") == (0, "", "")
    assert path.read_bytes()[:4] == b"\x7fELF"
    shown = cli("compile", "--target", target, "-d", "-o", str(path), "tcp port 80")
    assert shown.out.startswith("   0: ")


def test_object_file_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "no" / "filter.bpf.o"
    assert cli("compile", "-o", str(path), "ip") == (
        2,
        "",
        "netbpf: -o writes eBPF objects\n    add --target xdp, tc or socket\n",
    )
    result = cli("compile", "--target", "xdp", "-o", str(path), "ip")
    assert (result.code, result.err) == (
        1,
        f"netbpf: cannot write {path}: No such file or directory\n",
    )


def test_the_kernel_would_take_the_classic_code(cli: Cli) -> None:
    rows = json.loads(cli("compile", "--json", PCAP, "tcp port 80 and not host 1.2.3.4").out)
    cbpf.check([cbpf.Insn(*row) for row in rows["code"]])
