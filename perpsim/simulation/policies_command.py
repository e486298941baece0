"""From what the user asked for to a folder with the comparison of all policies."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl

from perpsim.protocol import BY_INDEX
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import validate
from perpsim.simulation.command import RUNS, Request, opened, resolve
from perpsim.simulation.comparison import ALL_POLICIES, Comparison, compare, find_moment
from perpsim.simulation.display import ProgressDisplay
from perpsim.simulation.folder import RunFolder, fresh_folder
from perpsim.simulation.runner import Simulation
from perpsim.simulation.summary import versions

PAGE, TABLE, BURDEN = "policies.html", "policies.csv", "burden.parquet"


def execute(
    request: Request,
    notice: Callable[[str], None],
    display: ProgressDisplay,
    should_stop: Callable[[], bool],
) -> tuple[Comparison, Path] | None:
    """Run, compare and write; None if it was stopped before there was anything to write.

    Raises `UserError` before anything is written if the request cannot be met, or nobody is bankrupt.
    """
    scenario, candles = resolve(request, notice)
    scenario = _by_index(scenario)
    where = request.out or fresh_folder(RUNS, f"{scenario.name}-{scenario.seed}-policies")
    folder = RunFolder(where, force=request.force, files=(PAGE, TABLE, BURDEN))
    try:
        simulation = opened(scenario, "revm", candles)
        with simulation.protocol.chain:
            comparison = _compared(simulation, display, should_stop)
    except BaseException:
        folder.discard()
        raise
    if comparison is None:
        folder.discard()
        return None
    _write(comparison, simulation, where)
    return comparison, where


def _compared(
    simulation: Simulation, display: ProgressDisplay, should_stop: Callable[[], bool]
) -> Comparison | None:
    scenario = simulation.scenario
    try:
        display.start(scenario.clock.blocks)
        moment = find_moment(simulation, display, should_stop)
        display.finish()
        if moment is None:
            return None
        display.start(len(ALL_POLICIES) * len(moment.bankrupt), "deleveragings")
        outcomes = compare(simulation, moment, display, should_stop)
    finally:
        display.finish()
    if outcomes is None:
        return None
    return Comparison(
        scenario=scenario.name,
        title=scenario.title,
        seed=scenario.seed,
        unit=scenario.collateral.symbol,
        markets=[market.symbol for market in scenario.markets],
        moment=moment,
        outcomes=outcomes,
        digest=simulation.log.digest.hexdigest(),
        versions=versions(),
    )


def _write(comparison: Comparison, simulation: Simulation, folder: Path) -> None:
    # Imported here: the report needs plotly, which takes its time.
    from perpsim.report.policies_page import write_page
    from perpsim.report.policies_table import FIGURES

    write_page(comparison, folder / PAGE)
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["policy", "needed", *(figure.key for figure in FIGURES)])
        for one in comparison.outcomes:
            writer.writerow([one.policy, one.needed, *(figure.value(one) for figure in FIGURES)])
    owners = simulation.indexer.accounts.owners
    count = len(owners)
    columns = {
        "account": range(1, count),
        "role": [simulation.cast.role_of(owner) for owner in owners[1:]],
        "profit": comparison.moment.profits[1:count],
        **{one.policy: one.burden[1:count] for one in comparison.outcomes},
    }
    pl.DataFrame(columns).write_parquet(folder / BURDEN)


def _by_index(scenario: Scenario) -> Scenario:
    """The same with markets that share out by index: the policies are set when the moment has come."""
    table = scenario.model_dump()
    for market in table["markets"]:
        market["adl"] = BY_INDEX
    return validate(table)
