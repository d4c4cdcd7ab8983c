"""Benchmarks: each prints what netbpf takes beside a rival in the same run, and a ratio."""
