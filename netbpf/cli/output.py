"""What commands print: messages, JSON, and the shapes of reports.

Reports go to standard output, everything else to standard error.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def complain(message: str) -> None:
    """Print an error."""
    _say(f"netbpf: {message}")


def warn(message: str) -> None:
    """Print what may not be what the user wants, but is done."""
    _say(f"netbpf: warning: {message}")


def note(message: str) -> None:
    """Print what is good to know."""
    _say(f"netbpf: {message}")


def warn_all(messages: Iterable[str]) -> None:
    """Print each warning."""
    for message in messages:
        warn(message)


def document(value: Any) -> None:
    """Print one JSON document, or one line of a stream, and let readers have it at once."""
    import json

    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    with suppress(OSError):
        sys.stdout.flush()  # the order on a terminal is that of the events
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
