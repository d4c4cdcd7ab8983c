"""`netbpf doctor`: what this kernel and this user can do, and what to do about each "no"."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from netbpf.cli import output
from netbpf.cli.options import examples, json_option

if TYPE_CHECKING:
    from netbpf.kernel.features import Feature

_WORDS = {True: "yes", False: "no", None: "?"}


@click.command(
    epilog=examples(
        ("netbpf doctor", "as any user; root finds out more"),
        ("netbpf doctor --json | jq '.features[] | select(.available == false)'", "what lacks"),
    )
)
@json_option
def command(as_json: bool) -> None:
    """Tell what this kernel and this user can do, with a remedy for each "no"."""
    features = _features()
    if as_json:
        output.document(_shape(features))
    else:
        sys.stdout.write("\n".join(_lines(features)) + "\n")


def _features() -> list[Feature]:
    from netbpf.link.features import probe_all

    return [*probe_all(), _ip()]


def _ip() -> Feature:
    """Find the only program that a command runs."""
    from netbpf.kernel.features import Feature

    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = shutil.which("ip", path=path)
    remedy = "" if found else "install iproute2"
    return Feature("ip(8), for the lab", found is not None, detail=found or "", remedy=remedy)


def _shape(features: list[Feature]) -> dict[str, Any]:
    return {
        "kernel": os.uname().release,
        "features": [
            {
                "name": one.name,
                "available": one.available,
                "since": one.since or None,
                "detail": one.detail,
                "remedy": one.remedy,
                "without": one.without,
            }
            for one in features
        ],
    }


def _lines(features: list[Feature]) -> list[str]:
    width = max(len(one.name) for one in features)
    lines = []
    for one in features:
        since = f" (Linux {one.since})" if one.since and not one.available else ""
        lines.append(f"{_WORDS[one.available]:4}{one.name:{width}}  {one.detail}{since}".rstrip())
        if one.available is False:
            below = f"    {'':{width}}  "
            lines += [f"{below}without it: {one.without}"] if one.without else []
            lines += [f"{below}→ {one.remedy}"] if one.remedy else []
    unknown = dict.fromkeys(one.remedy for one in features if one.available is None)
    return lines + [f"→ for what is unknown: {remedy}" for remedy in unknown if remedy]
