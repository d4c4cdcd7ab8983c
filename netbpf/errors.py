"""Every error that netbpf raises, and the span of text that an error points at.

    NetbpfError
    ├── ExpressionError        the user's expression is wrong (exit code 2)
    │   └── CodeSizeError      it is right, but does not fit the target
    ├── UsageError             an option or API argument is wrong (exit code 2)
    ├── InputError             a file is not what it should be (pcap, set, object)
    ├── IrError                a compiler pass broke the IR (a defect of netbpf)
    ├── NotFoundError          no such interface, namespace, or kept filter
    ├── ConflictError          somebody else's program, or ours, is in the way
    └── KernelError            the kernel said no: command, errno, remedy
        ├── PrivilegeError     a capability is missing
        ├── NotSupportedError  this kernel lacks a feature; names the version that has it
        ├── VerifierError      the verifier refused a program; holds its log
        └── AttachError        the program loaded, but could not be attached

This is the lowest layer: it imports nothing of netbpf.
"""

from __future__ import annotations

import errno as _errno
from typing import ClassVar

from netbpf.records import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range [start, end) of character offsets into an expression."""

    start: int
    end: int

    def cover(self, other: Span) -> Span:
        """Return the smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.end, other.end))


class NetbpfError(Exception):
    """The base of all. `remedy` is what the user can do about it, or ''."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def render(self) -> str:
        """Return the text for a terminal, without the leading 'netbpf: '."""
        return f"{self.message}\n    {self.remedy}" if self.remedy else self.message


class ExpressionError(NetbpfError):
    """An expression that cannot be compiled. `span` points into `text`."""

    exit_code = 2

    def __init__(self, message: str, *, text: str, span: Span, hint: str = "") -> None:
        super().__init__(message, remedy=hint)
        self.text = text
        self.span = span
        self.hint = hint

    def render(self) -> str:
        """Return the message, the line of the expression, and carets under the span."""
        start = min(max(self.span.start, 0), len(self.text))
        line_start = self.text.rfind("\n", 0, start) + 1
        line_end = self.text.find("\n", start)
        line = self.text[line_start : line_end if line_end >= 0 else len(self.text)]
        column = start - line_start
        width = max(1, min(self.span.end, line_start + len(line)) - start)
        line, column, width = _window(line, column, width)
        printable = "".join(c if c.isprintable() else "·" for c in line)
        caret = " " * column + "^" * width
        return f"{self.message}\n    {printable}\n    {caret}{' ' + self.hint if self.hint else ''}"


def _window(line: str, column: int, width: int, room: int = 100) -> tuple[str, int, int]:
    """Cut a long line to about `room` characters around the caret."""
    if len(line) <= room:
        return line, column, width
    width = min(width, room // 2)
    left = max(0, min(column - (room - width) // 2, len(line) - room))
    cut = line[left : left + room]
    if left:
        cut = "…" + cut[1:]
    if left + room < len(line):
        cut = cut[:-1] + "…"
    return cut, column - left, width


class CodeSizeError(ExpressionError):
    """The expression is valid, but its program exceeds a limit of the target."""


class UsageError(NetbpfError):
    """A command-line option or API argument that makes no sense."""

    exit_code = 2


class InputError(NetbpfError):
    """A file with the wrong content; the message names the file and the place."""


class IrError(NetbpfError):
    """A broken invariant of the intermediate representation."""


class NotFoundError(NetbpfError):
    """Something that was named does not exist."""


class ConflictError(NetbpfError):
    """Something is attached or named already, and is left as it is."""


class KernelError(NetbpfError):
    """A system call failed. `command` names it, `errno` is the kernel's number."""

    def __init__(self, message: str, *, command: str, errno: int, remedy: str = "") -> None:
        name = _errno.errorcode.get(errno, str(errno))
        super().__init__(f"{message} ({command}: {name})", remedy=remedy)
        self.command = command
        self.errno = errno


class PrivilegeError(KernelError):
    """The caller lacks a capability; the remedy names it."""


class NotSupportedError(KernelError):
    """The kernel lacks a feature. `since` is the first version that has it, such as '5.9'."""

    def __init__(
        self, message: str, *, command: str, errno: int, since: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message, command=command, errno=errno, remedy=remedy)
        self.since = since


class VerifierError(KernelError):
    """The verifier refused a program. `log` is its whole log, `line` the telling one.

    `span` points into the expression that the refused instruction came from, where known.
    """

    def __init__(
        self, message: str, *, errno: int, log: str, line: str, span: Span | None = None
    ) -> None:
        super().__init__(message, command="BPF_PROG_LOAD", errno=errno)
        self.log = log
        self.line = line
        self.span = span


class AttachError(KernelError):
    """A loaded program could not be attached to its hook."""
