"""Kernel constants, one file per kernel header. A test holds them against the kernel's BTF."""
