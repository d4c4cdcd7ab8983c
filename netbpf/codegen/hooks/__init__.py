"""Hooks: frozen records, which one backend generates code from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netbpf.codegen.hooks.hook import Hook
from netbpf.errors import UsageError
from netbpf.spec import Target

if TYPE_CHECKING:
    from netbpf.btf.skb import SkBuff

__all__ = ["Hook", "hook_for"]


def hook_for(target: Target, *, frags: bool = True, buff: SkBuff | None = None) -> Hook:
    """Return the hook of a target.

    `frags`: XDP programs read multi-buffer frames (Linux 5.18). `buff`: socket programs are for
    this kernel alone, and read directly (Linux 6.17). Raises UsageError for CBPF.
    """
    if target is Target.XDP:
        from netbpf.codegen.hooks.xdp import XDP, XDP_LINEAR

        return XDP if frags else XDP_LINEAR
    if target is Target.SOCKET:
        from netbpf.codegen.hooks.socket_filter import SOCKET, reading

        return reading(buff) if buff else SOCKET
    if target in (Target.TC, Target.TC_EGRESS):
        from netbpf.codegen.hooks.tc import TC, TC_EGRESS

        return TC if target is Target.TC else TC_EGRESS
    raise UsageError(f"{target.value} is no eBPF target")
