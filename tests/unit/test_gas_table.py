"""Gas is deterministic: the committed table is what the contracts cost, and nothing outgrows a block."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gas_table import rows
from benchmarks.gas_table.load import Load
from benchmarks.gas_table.maximum import bankrupt
from perpsim.chain import ENGINES

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gas.py"
#: README.md says why
OVER_TARGET = {"deposit, again", "deleverage by list, 1 counterparty"}


@pytest.fixture(scope="module")
def bench() -> Any:
    spec = importlib.util.spec_from_file_location("gas_benchmark", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(bench: Any) -> dict[str, int]:
    return bench.measure()


def test_the_committed_gas_table_is_what_is_measured(bench: Any, measured: dict[str, int]) -> None:
    committed = json.loads(bench.FILE.read_text())
    assert measured == committed, "run `python benchmarks/gas.py` and look at what changed"


def test_targets_are_met_but_for_those_that_are_known(measured: dict[str, int]) -> None:
    over = {name for name, row in rows.ROWS.items() if row.target is not None and measured[name] > row.target}
    assert over == OVER_TARGET


def test_at_maximum_load_every_call_fits_a_block(measured: dict[str, int]) -> None:
    for name, row in rows.MAXIMUM.items():
        assert row.bound is not None and measured[name] <= row.bound < rows.BLOCK_GAS_LIMIT, name


def test_deleveraging_by_index_costs_the_same_whatever_the_number_of_accounts(
    measured: dict[str, int],
) -> None:
    few, many = (measured[f"deleverage by index, {n} accounts a side"] for n in (20, 40))
    assert few == many


def test_revm_that_forgets_what_is_warm_gives_the_figures_of_py_evm(measured: dict[str, int]) -> None:
    """So what is too much to set up on py-evm can be measured on revm."""
    assert rows.operations("revm") == {name: measured[name] for name in rows.OPERATIONS}


def test_at_maximum_load_both_engines_agree() -> None:
    """A bankrupt account with positions in 8 markets and 32 orders."""
    spent = []
    for engine in ENGINES:
        load = Load(1, engine)
        account = bankrupt(load)
        spent.append(load.gas(load.keeper, "liquidator", "deleverage", account, 0))
    assert len(set(spent)) == 1
