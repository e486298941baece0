"""From what the user asked for to a run folder: everything between the command line and the block loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import numpy as np

from perpsim.chain import AuditFailure, EngineError, Revert
from perpsim.errors import UserError
from perpsim.market.candles import Candles
from perpsim.market.paths import sample_paths
from perpsim.protocol import Protocol
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario
from perpsim.simulation.folder import RunFolder, fresh_folder
from perpsim.simulation.invariants import InvariantViolation
from perpsim.simulation.price_files import read_noticed, replace_prices
from perpsim.simulation.record import tables
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import open_exchange
from perpsim.simulation.summary import summarise

RUNS = Path("runs")


@dataclass(frozen=True)
class Request:
    """A run as the command line asks for it."""

    scenario: str
    seed: int | None = None
    engine: str = "revm"
    blocks: int | None = None
    prices: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    out: Path | None = None
    force: bool = False
    #: share of the transactions to audit, None for the scenario's
    audit: float | None = None


@dataclass(frozen=True)
class Result:
    """A run that has been written."""

    folder: Path
    summary: dict[str, Any]
    report: Path | None
    verdict: tuple[str, ...]
    interrupted: bool
    violation: str


class Progress(Interface):
    """Somebody who watches."""

    def start(self, total: int) -> None:
        """The loop begins."""

    def __call__(self, blocks: int, transactions: int) -> None:
        """So much is done."""

    def finish(self) -> None:
        """The loop is over."""


def build(
    scenario: Scenario, engine: str = "revm", candles: Mapping[int, Candles] | None = None, **options: Any
) -> Simulation:
    """A simulation ready to run on an exchange of its own. `candles`: files that have been read already, by
    market."""
    protocol = open_exchange(scenario, engine)
    try:
        return on_exchange(scenario, protocol, candles, **options)
    except BaseException:
        protocol.chain.close()
        raise


def on_exchange(
    scenario: Scenario, protocol: Protocol, candles: Mapping[int, Candles] | None = None, **options: Any
) -> Simulation:
    """A simulation ready to run on an exchange that has been opened for it and not been used. Prices and
    agents draw from streams of their own, all from the scenario's seed."""
    price_seed, agent_seed = np.random.SeedSequence(scenario.seed).spawn(2)
    paths = sample_paths(scenario, price_seed, candles)
    return Simulation(scenario, protocol, paths, np.random.default_rng(agent_seed), **options)


def opened(scenario: Scenario, engine: str, candles: Mapping[int, Candles]) -> Simulation:
    """`build` for users: what the exchange or the engine refuses is their mistake."""
    try:
        return build(scenario, engine, candles)
    except Revert as error:
        raise UserError(f"scenario {scenario.name}: the exchange refuses it: {error.reason}") from None
    except EngineError as error:
        raise UserError(f"engine {engine}: {_line(error)}") from None


def execute(
    request: Request, notice: Callable[[str], None], progress: Progress, should_stop: Callable[[], bool]
) -> Result:
    """Run and write. Raises `UserError` before anything is written if the request cannot be met."""
    scenario, candles = resolve(request, notice)
    where = request.out or fresh_folder(RUNS, f"{scenario.name}-{scenario.seed}")
    folder = RunFolder(where, force=request.force)
    began = time.monotonic()
    try:
        simulation = opened(scenario, request.engine, candles)
    except BaseException:
        folder.discard()
        raise
    complete, violation = False, ""

    def write() -> dict[str, Any]:
        seconds = time.monotonic() - began
        summary = summarise(simulation, request.engine, complete, violation, seconds)
        if candles:
            summary["candles"] = [
                {"market": market, "file": read.source, "gaps": [str(gap) for gap in read.gaps()]}
                for market, read in candles.items()
            ]
        folder.write(tables(simulation), summary)
        return summary

    with simulation.protocol.chain:
        try:
            progress.start(scenario.clock.blocks)
            complete = simulation.run(progress, should_stop)
        except InvariantViolation as error:
            violation = str(error)
        except AuditFailure as error:
            violation = f"block {simulation.next_block}: {_line(error)}"
        except EngineError as error:
            violation = f"block {simulation.next_block}: engine {request.engine} failed: {_line(error)}"
        except Exception as error:
            # A fault of the program: what there is of the run is kept, and the fault is told in full.
            violation = f"block {simulation.next_block}: {type(error).__name__}: {_line(error)}"
            write()
            raise
        finally:
            progress.finish()
        summary = write()
    report, verdict = _report(where, notice)
    return Result(where, summary, report, verdict, not complete and not violation, violation)


def resolve(request: Request, notice: Callable[[str], None]) -> tuple[Scenario, dict[int, Candles]]:
    """The scenario with every option laid over it, and the candle files it names, by market."""
    overrides = list(request.overrides)
    if request.seed is not None:
        overrides.append(f"seed={request.seed}")
    if request.audit is not None:
        overrides.append(f"checks.audit={request.audit}")
    if request.blocks is not None:
        overrides.append(f"clock.blocks={request.blocks}")
    scenario = replace_prices(load_scenario(request.scenario, overrides), request.prices, notice)
    return scenario, read_noticed(scenario, notice)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or ["it failed without a word"])[0]


def _report(folder: Path, notice: Callable[[str], None]) -> tuple[Path | None, tuple[str, ...]]:
    """The report and its verdict. A run that is written is not lost because its report fails."""
    try:
        from perpsim.report import write_report
        from perpsim.report.data import load
        from perpsim.report.facts import gather
        from perpsim.report.verdict import verdict

        return write_report(folder), verdict(gather(load(folder)))
    except Exception as error:
        notice(f"the report could not be written: {error}; try `perpsim report {folder}`")
        return None, ()
