"""BTF, the kernel's type information: enough of it to describe a generated object."""
