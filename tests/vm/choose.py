"""A pytest plugin: of what is collected, run the core of each group, as tests.vm.groups has it.

python -m pytest -p tests.vm.choose
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.vm.groups import in_core

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not of the core."""
    left_out = [item for item in items if not in_core(item.nodeid)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if in_core(item.nodeid)]
