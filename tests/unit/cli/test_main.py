from __future__ import annotations

import ast
import inspect
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netbpf import __version__
from netbpf.cli import main, program
from netbpf.cli.compiling import compile_expression
from netbpf.cli.program import COMMANDS
from netbpf.cli.request import Request
from netbpf.compiler import MAXIMUM_SNAPLEN
from netbpf.errors import ExpressionError, NetbpfError, Span
from netbpf.proto.linktype import LinkType
from tests.support.netns import wait_until
from tests.unit.cli.conftest import Cli

NETBPF = [sys.executable, "-c", "from netbpf.cli.main import main; main()"]


def test_help_lists_every_command_without_importing_any() -> None:
    code = (
        "import sys; from netbpf.cli.main import run; run(['--help']);"
        "print([m for m in sys.modules if m.startswith('netbpf.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    imported = {"netbpf.cli.main", "netbpf.cli.output", "netbpf.cli.program"}
    assert set(ast.literal_eval(done.stdout.splitlines()[-1])) == imported


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(cli: Cli, name: str) -> None:
    shown = cli(name, "--help")
    assert shown.code == 0
    assert "Examples:" in shown.out
    assert f"netbpf {name}" in shown.out


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"netbpf {__version__}\n"


def test_an_unknown_command_with_a_guess(cli: Cli) -> None:
    said = "netbpf: there is no command 'fliter'\n    did you mean `netbpf filter`?\n"
    assert cli("fliter") == (2, "", said)
    assert "netbpf --help lists all" in cli("xyzzy").err


def test_a_bad_option_says_where_the_help_is(cli: Cli) -> None:
    result = cli("compile", "--nonsense")
    assert (result.code, result.out) == (2, "")
    assert re.fullmatch(
        r"netbpf: No such option.*--nonsense.*\n"
        r"    netbpf compile --help shows how it is used\n",
        result.err,
    )


def test_a_bad_expression_has_a_caret(cli: Cli) -> None:
    said = (
        "netbpf: expected a primitive, found 'prot'\n"
        "    tcp dst prot 80\n"
        "            ^^^^ did you mean 'port'?\n"
    )
    assert cli("compile", "tcp dst prot 80") == (2, "", said)


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("error", "code", "said"),
        [
            (NetbpfError("bad luck", remedy="try again"), 1, "bad luck\n    try again"),
            (ExpressionError("no", text="ab", span=Span(1, 2)), 2, "no\n    ab\n     ^"),
            (KeyboardInterrupt(), 130, None),
            (OSError(28, "No space left on device"), 1, "No space left on device"),
            (FileNotFoundError(2, "No such file", "/x"), 1, "No such file: /x"),
            (RecursionError("too deep"), 1, "a defect of netbpf: RecursionError: too deep"),
            (ValueError("oops"), 1, "a defect of netbpf: ValueError: oops"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_is_said_in_words(
        self,
        cli: Cli,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
        code: int,
        said: str | None,
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(program.program, "main", fail)
        result = cli("anything")
        assert result.code == code
        assert "Traceback" not in result.err
        if said is None:
            assert result.err == ""
        else:
            assert result.err.startswith(f"netbpf: {said}")


class TestProcess:
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_closed_pipe_ends_quietly(self, unbuffered: str) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*NETBPF, "compile", "ip"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")

    def test_a_full_disk_is_an_error(self) -> None:
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run(
                [*NETBPF, "compile", "ip"], stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 1
        assert re.fullmatch(rb"netbpf: (cannot write: )?No space left on device\n", done.stderr)

    def test_ctrl_c_while_reading(self) -> None:
        process = subprocess.Popen(
            [*NETBPF, "match", "-r", "-", "ip"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(bytes.fromhex("d4c3b2a1"))  # and now it waits for the file header
        process.stdin.flush()
        wait_until(lambda: waits_for_input(process.pid), what="it reads")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert b"Traceback" not in err
        assert (process.returncode, out) == (130, b"")


def waits_for_input(pid: int) -> bool:
    """Whether a process is blocked in read(0, …)."""
    number, first, *_ = [*Path(f"/proc/{pid}/syscall").read_text().split(), ""]
    return (number, first) == ("0" if platform.machine() == "x86_64" else "63", "0x0")


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_prints_the_script(self, cli: Cli, shell: str) -> None:
        shown = cli("completion", shell)
        assert shown.code == 0
        assert "_NETBPF_COMPLETE" in shown.out
        assert "%(" not in shown.out

    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            ("netbpf fil", {"filter"}),
            ("netbpf compile --lin", {"--linktype"}),
            ("netbpf compile --linktype LIN", {"LINUX_SLL", "LINUX_SLL2"}),
            ("netbpf filter --at tc", {"tc", "tc-egress"}),
            ("netbpf filter -i l", {"lo"}),
        ],
    )
    def test_completes(self, words: str, offered: set[str]) -> None:
        environment = os.environ | {
            "_NETBPF_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(NETBPF, env=environment, capture_output=True, text=True, check=True)
        assert offered <= {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        (["compile", "tcp dst port 80"], True),
        (["compile", "tcp", "dst", "port", "80"], True),
        (["compile", "ip host", "é", "a=b"], True),
        (["compile", "", " "], True),
        (["compile", "tcp dst prot 80"], True),
        (["compile", "-d", "ip"], False),
        (["compile", "ip", "--json"], False),
        (["compile", "--", "ip"], False),
        (["compile", "len", "-", "1", ">", "5"], False),
        (["compile"], False),
        (["--version"], False),
        (["doctor", "ip"], False),
        ([], False),
    ],
)
def test_words_alone_are_what_click_makes_of_them(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: list[str], plain: bool
) -> None:
    assert main.compiles_words(words) is plain
    if plain:
        quick = cli(*words)
        monkeypatch.setattr(main, "compiles_words", lambda _: False)
        assert cli(*words) == quick


def test_words_to_be_completed_are_for_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_NETBPF_COMPLETE", "bash_complete")
    assert not main.compiles_words(["compile", "ip"])


def test_words_alone_have_the_command_s_defaults() -> None:
    """What click passes on is what `compile_expression` and `Request` say where nothing is said."""
    given: dict[str, Any] = {}

    def note(request: Request, **options: Any) -> None:
        given.update(options, request=request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netbpf.cli.compile.compile_expression", note)
        assert program.run(["compile", "ip", "or", "arp"]) == 0
    defaults = inspect.signature(compile_expression).parameters
    assert given.pop("request") == Request("ip or arp")
    assert (given.pop("linktype"), given.pop("snaplen")) == (LinkType.EN10MB, MAXIMUM_SNAPLEN)
    assert given == {name: defaults[name].default for name in given}
    options = Request("").options()
    assert (options.linktype, options.snaplen) == (LinkType.EN10MB, MAXIMUM_SNAPLEN)
