"""Extended BPF: one backend for every hook (codegen.hooks)."""

from netbpf.codegen.ebpf.generate import generate

__all__ = ["generate"]
