"""Gas is deterministic: the committed table is what the contracts cost, and nothing outgrows a block."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perpsim.chain import ENGINES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: README.md says why
OVER_TARGET = {"deposit, again"}


@pytest.fixture(scope="module")
def gas() -> Iterator[Any]:
    """The module `benchmarks/gas.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("gas")


@pytest.fixture(scope="module")
def measured(gas: Any) -> dict[str, int]:
    return gas.measure()


def test_the_committed_gas_table_is_what_is_measured(gas: Any, measured: dict[str, int]) -> None:
    committed = json.loads(gas.FILE.read_text())
    assert measured == committed, "run `python benchmarks/gas.py` and look at what changed"


def test_targets_are_met_but_for_those_that_are_known(gas: Any, measured: dict[str, int]) -> None:
    targets = {name: row.target for name, row in gas.OPERATIONS.items() if row.target is not None}
    over = {name for name, target in targets.items() if measured[name] > target}
    assert over == OVER_TARGET


def test_at_maximum_load_every_call_fits_a_block(gas: Any, measured: dict[str, int]) -> None:
    for name, row in gas.MAXIMUM.items():
        assert row.bound is not None and measured[name] <= row.bound < gas.BLOCK_GAS_LIMIT, name


def test_deleveraging_by_index_costs_the_same_whatever_the_number_of_accounts(
    measured: dict[str, int],
) -> None:
    few, many = (measured[f"deleverage by index, {n} accounts a side"] for n in (20, 40))
    assert few == many


def test_revm_that_forgets_what_is_warm_gives_the_figures_of_py_evm(
    gas: Any, measured: dict[str, int]
) -> None:
    """So what is too much to set up on py-evm can be measured on revm."""
    assert gas.operations("revm") == {name: measured[name] for name in gas.OPERATIONS}


def test_at_maximum_load_both_engines_agree(gas: Any) -> None:
    """A bankrupt account with positions in 8 markets and 32 orders."""
    load, maximum = (importlib.import_module(f"gas_table.{name}") for name in ("load", "maximum"))
    spent = []
    for engine in ENGINES:
        bench = load.Load(1, engine)
        account = maximum.bankrupt(bench)
        spent.append(bench.gas(bench.keeper, "liquidator", "deleverage", account, 0))
    assert len(set(spent)) == 1
