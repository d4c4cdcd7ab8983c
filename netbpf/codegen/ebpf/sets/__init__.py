"""Sets as tables: an array map with one value, which the program reads directly (Linux 5.2).

A kind of table per file; `choose` decides between them, `table` is what they have in common.
A table is written before the program runs, and frozen.
Depends on asm, spec, ir.program, codegen.ebpf.stack.
"""

from netbpf.codegen.ebpf.sets.choose import is_table
from netbpf.codegen.ebpf.sets.table import word
from netbpf.codegen.ebpf.sets.tables import Tables

__all__ = ["Tables", "is_table", "word"]
