"""The command line that does a run again: what it sets is what was set."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from perpsim.report.run_again import command
from perpsim.scenarios.loading import apply_override


@pytest.mark.parametrize(
    "value",
    [
        "queue-bitmex",
        'says "no" and \\ more',
        "it's",
        "0.5",
        True,
        12,
        0.1331,
        1e-9,
        [1, [2.5, "x"]],
        {"kind": "fixed", "gas_price": 12.5},
        [{"leverage": 3, "share": 1}, {"a key": 'with "quotes"'}],
    ],
    ids=repr,
)
def test_a_shell_and_set_read_back_the_value_that_was_set(value: Any) -> None:
    words = shlex.split(command("smoke", ["fund.initial=5"], [("traders.count", value)], 7))
    assert words[:7] == ["perpsim", "run", "smoke", "--seed", "7", "--set", "fund.initial=5"]
    table: dict[str, Any] = {}
    apply_override(table, words[8])
    assert table == {"traders": {"count": value}}
