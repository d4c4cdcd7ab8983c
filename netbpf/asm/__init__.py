"""Instruction sets: encode, decode and print classic and extended BPF."""
