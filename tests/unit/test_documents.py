"""The documents for people: what they link to is there."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.tools import REPOSITORY, require_tool

if TYPE_CHECKING:
    from pathlib import Path

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#([^)]*))?\)")
FOLDERS = ("*.md", "docs/**/*.md", "vagrant/*.md")
DOCUMENTS = sorted(path for pattern in FOLDERS for path in REPOSITORY.glob(pattern))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text()):
        path = document.parent / target
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def anchors(document: Path) -> set[str]:
    """Return what the headings of a document can be linked by, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("target", ["help", "setup", "test", "demo", "lint", "wheel", "clean"])
def test_make_help_names_every_target(target: str) -> None:
    shown = subprocess.run(
        [require_tool("make"), "-C", str(REPOSITORY), "--no-print-directory", "help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(rf"^  make {target} +\S", shown, re.MULTILINE)
