"""The intermediate representation: a loop-free graph of blocks over pure packet values."""
