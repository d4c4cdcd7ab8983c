from __future__ import annotations

import ast
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netbpf import __version__
from netbpf.cli import main
from netbpf.cli.main import COMMANDS
from netbpf.errors import ExpressionError, NetbpfError, Span
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
    imported = {"netbpf.cli.main", "netbpf.cli.output"}
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

        monkeypatch.setattr(main.program, "main", fail)
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
