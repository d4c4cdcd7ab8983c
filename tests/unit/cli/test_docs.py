"""docs/commands and the commands say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from netbpf.cli.program import COMMANDS, program
from tests.support.tools import REPOSITORY
from tests.unit.cli.conftest import Cli
from tests.unit.observe.files import pcap, record

DOCS = REPOSITORY / "docs" / "commands"
SHARED = {"-F", "--set", "--pcap-compat", "--no-names", "--netmask", "-O"}


def options(name: str) -> set[str]:
    """Return the options of a command, as they are typed."""
    assert isinstance(program, click.Group)
    command = program.get_command(click.Context(program), name)
    assert command is not None
    words = {word for one in command.params for word in one.opts if word.startswith("-")}
    return words - {"--help", "-h"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described_and_no_other(name: str) -> None:
    text = (DOCS / f"{name}.md").read_text()
    described = set()
    for row in re.findall(r"^\| (`-.*?) \|", text.replace(r"\|", "/"), re.MULTILINE):
        described |= {word.split()[0] for word in re.findall(r"`(-[^`]*)`", row)}
    has = options(name)
    if SHARED & has:
        assert has >= SHARED
        assert "`-F`, `--set`, `--pcap-compat`, `--no-names`, `--netmask`, `-O0`" in text
    assert described - {"-dd", "-ddd"} == has - SHARED


def test_the_overview_has_every_command() -> None:
    text = (DOCS / "README.md").read_text()
    assert re.findall(r"^\| \[(\S+)\]\((\S+)\.md\)", text, re.MULTILINE) == [
        (name, name) for name in COMMANDS
    ]
    for word in SHARED:
        assert f"`{word}" in text


def outputs(name: str) -> dict[str, str]:
    """Return the commands in a page's examples that print something, with what they print."""
    text = (DOCS / f"{name}.md").read_text()
    found: dict[str, str] = {}
    command = ""
    for line in text.splitlines():
        if line.startswith("    $ netbpf "):
            command = line.removeprefix("    $ netbpf ")
            found[command] = ""
        elif line.startswith("    ") and command:
            found[command] += line[4:] + "\n"
        else:
            command = ""
    return {command: shown for command, shown in found.items() if shown}


@pytest.mark.parametrize("command", ["--pcap-compat ip", "tcp dst prot 80"])
def test_the_output_of_compile(cli: Cli, command: str) -> None:
    result = cli("compile", *command.split())
    assert outputs("compile")[f"compile {command}"] == result.out + result.err


def test_the_output_of_explain(cli: Cli) -> None:
    (shown,) = outputs("explain").values()
    text = "vlan 5 or tcp port 80 and not host 10.0.0.1"
    lines = cli("explain", "--pcap-compat", text).out.splitlines()
    head, tail = shown.split("…\n")
    assert lines[0] == head.rstrip("\n")
    assert lines[lines.index("Mind that:") :] == tail.splitlines()


def test_the_shape_of_explain(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap(record(bytes(60))))
    report = json.loads(cli("explain", "ip", "--json", "-r", str(path), "-n", "0").out)
    text = (DOCS / "explain.md").read_text()
    shape = re.findall(r"`(\{\"expr\".*\})`", text)[0]
    named = set(re.findall(r'"(\w+)"', shape))
    used = {*report, *report["packet"], *report["tree"][0], *report["listing"][0]}
    assert named == used | set(report["packet"]["steps"][0])
