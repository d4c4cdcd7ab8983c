"""The command line: one module per command, imported when it is asked for."""

from __future__ import annotations

import gc

# Starting makes many objects and hardly any garbage. Before click, which makes the first of them.
gc.set_threshold(50_000)
