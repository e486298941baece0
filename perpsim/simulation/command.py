"""From what the user asked for to a run folder: everything between the command line and the block loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perpsim.chain import EngineError, Revert
from perpsim.errors import UserError
from perpsim.market.candles import Candles, iso, read_candles
from perpsim.market.prices import CandlePath, knots_to_candles
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import load_scenario, validate
from perpsim.simulation.folder import RunFolder, fresh_folder
from perpsim.simulation.invariants import InvariantViolation
from perpsim.simulation.record import tables
from perpsim.simulation.runner import Simulation
from perpsim.simulation.setup import open_exchange
from perpsim.simulation.summary import summarise

RUNS = Path("runs")
_GAPS_SHOWN = 3


@dataclass(frozen=True)
class Request:
    """A run as the command line asks for it."""

    scenario: str
    seed: int | None = None
    engine: str = "revm"
    blocks: int | None = None
    prices: Path | None = None
    overrides: tuple[str, ...] = ()
    out: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Result:
    """A run that has been written."""

    folder: Path
    summary: dict[str, Any]
    report: Path | None
    verdict: tuple[str, ...]
    interrupted: bool
    violation: str


class Progress(Protocol):
    """Somebody who watches."""

    def start(self, total: int) -> None:
        """The loop begins."""

    def __call__(self, blocks: int, transactions: int) -> None:
        """So much is done."""

    def finish(self) -> None:
        """The loop is over."""


def build(
    scenario: Scenario, engine: str = "revm", candles: Candles | None = None, **options: Any
) -> Simulation:
    """A simulation ready to run. Prices and agents draw from streams of their own, both from the seed."""
    price_seed, agent_seed = np.random.SeedSequence(scenario.seed).spawn(2)
    paths = _paths(scenario, candles, price_seed)
    protocol = open_exchange(scenario, engine)
    try:
        return Simulation(scenario, protocol, paths, np.random.default_rng(agent_seed), **options)
    except BaseException:
        protocol.chain.close()
        raise


def _paths(
    scenario: Scenario, candles: Candles | None, seed: np.random.SeedSequence
) -> npt.NDArray[np.float64]:
    """Outside prices, a row a market. `candles` replace the first market's."""
    clock = scenario.clock
    paths: list[npt.NDArray[np.float64]] = []
    # The first market's stream is the same however many there are.
    streams = [np.random.default_rng(seed), *map(np.random.default_rng, seed.spawn(len(scenario.prices)))]
    for prices, rng in zip(scenario.prices, streams):
        source = knots_to_candles(prices.knots, scenario.start, prices.interval, f"of {scenario.name}")
        if candles is not None and not paths:
            source = candles
        path = CandlePath(source)
        paths.append(path.sample(rng, scenario.start, clock.blocks, clock.seconds_per_block))
    return np.array(paths)


def opened(scenario: Scenario, engine: str, candles: Candles | None) -> Simulation:
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
        if candles is not None:
            summary["candles"] = {"file": candles.source, "gaps": [str(gap) for gap in candles.gaps()]}
        folder.write(tables(simulation), summary)
        return summary

    with simulation.protocol.chain:
        try:
            progress.start(scenario.clock.blocks)
            complete = simulation.run(progress, should_stop)
        except InvariantViolation as error:
            violation = str(error)
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


def resolve(request: Request, notice: Callable[[str], None]) -> tuple[Scenario, Candles | None]:
    """The scenario with every option laid over it, and the candles that replace its prices."""
    overrides = list(request.overrides)
    if request.seed is not None:
        overrides.append(f"seed={request.seed}")
    if request.blocks is not None:
        overrides.append(f"clock.blocks={request.blocks}")
    scenario = load_scenario(request.scenario, overrides)
    if request.prices is None:
        return scenario, None
    candles = read_candles(request.prices)
    gaps = candles.gaps()
    if gaps:
        shown = ", ".join(str(gap) for gap in gaps[:_GAPS_SHOWN])
        more = f" and {len(gaps) - _GAPS_SHOWN} more" if len(gaps) > _GAPS_SHOWN else ""
        count = f"{len(gaps)} gap" + ("s" if len(gaps) > 1 else "")
        notice(f"{candles.source}: {count}, filled with the last close: {shown}{more}")
    return _onto(scenario, candles, notice), candles


def _onto(scenario: Scenario, candles: Candles, notice: Callable[[str], None]) -> Scenario:
    """Move the clock to the candles where they do not cover it, and shorten the run to what they hold."""
    seconds = scenario.clock.seconds_per_block
    start, blocks = scenario.start, scenario.clock.blocks
    if not candles.start <= start < candles.end:
        start = candles.start
        notice(f"{candles.source} does not cover {iso(scenario.start)}: starting at {iso(start)}")
    available = (candles.end - start + seconds - 1) // seconds
    if available < blocks:
        notice(f"{candles.source} ends at {iso(candles.end)}: {available:,} of {blocks:,} blocks")
        blocks = available
    table = scenario.model_dump()
    table["clock"]["blocks"] = blocks
    table["clock"]["start"] = datetime.fromtimestamp(start, UTC)
    return validate(table)


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
