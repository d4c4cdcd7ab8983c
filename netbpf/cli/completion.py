"""`netbpf completion`: print click's completion script."""

from __future__ import annotations

import sys

import click

from netbpf.cli.options import examples


@click.command(
    epilog=examples(
        ('eval "$(netbpf completion bash)"', "in ~/.bashrc"),
        ('eval "$(netbpf completion zsh)"', "in ~/.zshrc"),
        (
            "netbpf completion fish > ~/.config/fish/completions/netbpf.fish",
            "once",
        ),
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from netbpf.cli.program import program

    kind = get_completion_class(shell)
    assert kind is not None
    # Not source(), which first looks for a bash that is new enough.
    made = kind(program, {}, "netbpf", "_NETBPF_COMPLETE")
    sys.stdout.write(made.source_template % made.source_vars())
