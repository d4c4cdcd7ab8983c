"""libpcap's own accepted filters parse, in both dialects; its syntax errors do not.

Verdicts and the words of the other errors are compared in tests/differential.
"""

from __future__ import annotations

import json

import pytest

from netbpf.errors import ExpressionError
from netbpf.expr.nodes import Dialect
from netbpf.expr.parser import parse
from tests.support.tools import require_shared


@pytest.mark.parametrize("dialect", Dialect, ids=lambda dialect: dialect.value)
def test_cases(dialect: Dialect) -> None:
    cases = json.loads(require_shared("libpcap_cases.json").read_text())
    accepted = [case["expr"] for case in cases if case["accept"]]
    refused = [case["expr"] for case in cases if "syntax error" in case.get("error", "")]
    assert len(accepted) > 300
    assert len(refused) > 10
    for text in accepted:
        parse(text, dialect=dialect)
    for text in refused:
        with pytest.raises(ExpressionError):
            parse(text, dialect=dialect)
