"""Every test that needs root is in a group of the kernel matrix."""

from __future__ import annotations

from tests.support.tools import REPOSITORY
from tests.vm.groups import GROUPS, group_of, in_core

ELSEWHERE = ("tests/provision/", "tests/unit/vm/", "tests/conftest.py")


def test_every_root_test_has_a_group() -> None:
    texts = {path: path.read_text() for path in (REPOSITORY / "tests").rglob("*.py")}
    using = [path for path, text in texts.items() if "pytest.mark.root" in text]
    files = {str(path.relative_to(REPOSITORY)) for path in using}
    assert len(files) > 15
    assert [f for f in files if not group_of(f) and not f.startswith(ELSEWHERE)] == []


def test_a_test_has_one_group() -> None:
    assert len({group.name for group in GROUPS}) == len(GROUPS)
    paths = [path for group in GROUPS for path in group.paths]
    assert len(set(paths)) == len(paths)
    assert all((REPOSITORY / path).exists() for path in paths)


def test_what_has_no_group_is_in_no_core() -> None:
    assert not in_core("tests/somewhere/test_else.py::test_one")
