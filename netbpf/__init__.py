"""netbpf: tcpdump's words, run in the kernel at any hook.

The names below are the public ones; see netbpf.api. They are imported when first used, so that
`import netbpf` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netbpf.api import Loaded, attach, compile, counters, load  # noqa: A004
    from netbpf.errors import ExpressionError, KernelError, NetbpfError

__version__ = "0.1.0"

__all__ = [
    "ExpressionError",
    "KernelError",
    "Loaded",
    "NetbpfError",
    "__version__",
    "attach",
    "compile",
    "counters",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'netbpf' has no attribute {name!r}")
    from importlib import import_module

    module = "netbpf.errors" if name.endswith("Error") else "netbpf.api"
    return getattr(import_module(module), name)
