from __future__ import annotations

from netbpf.asm.helpers import Helper
from tests.support import btf


def test_helpers_have_the_numbers_of_the_kernel() -> None:
    known = btf.kernel().enumerators
    ours = {f"BPF_FUNC_{helper.name.lower()}": {int(helper)} for helper in Helper}
    agreed = {name: numbers for name, numbers in ours.items() if name in known}
    assert agreed == {name: known[name] for name in agreed}
    assert len(agreed) >= 6  # those of 5.10
