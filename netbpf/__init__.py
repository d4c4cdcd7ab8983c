"""netbpf: tcpdump's words, run in the kernel at any hook."""

__version__ = "0.1.0"
