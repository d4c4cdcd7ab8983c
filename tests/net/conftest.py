"""The wires that live tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.net.hooks import LARGE, ONE_BUFFER, Hook
from tests.net.wire import Wire, wire

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def wires() -> Iterator[dict[int, Wire]]:
    """Wires by MTU."""
    with wire(mtu=LARGE) as large, wire(mtu=ONE_BUFFER) as small:
        yield {LARGE: large, ONE_BUFFER: small}


@pytest.fixture
def ends(hook: Hook, wires: dict[int, Wire]) -> Wire:
    """The wire for the test's `hook`."""
    return wires[hook.mtu]
