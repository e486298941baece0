"""Gas is deterministic: the committed table is what the contracts cost."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gas.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("gas_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(bench):
    return bench.measure()


def test_the_committed_gas_table_is_what_is_measured(bench, measured):
    committed = json.loads(bench.FILE.read_text())
    assert measured == committed, "run `python benchmarks/gas.py` and look at what changed"


def test_deleveraging_by_index_costs_the_same_whatever_the_number_of_accounts(measured):
    few, many = (measured[f"deleverage by index, {n} accounts a side"] for n in (20, 40))
    assert few == many
