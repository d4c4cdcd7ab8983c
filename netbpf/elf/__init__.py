"""ELF objects that libbpf loads."""
