"""Candle files of a run: those that the user gives in place of a scenario's prices, and those it names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from perpsim.errors import UserError
from perpsim.market.candles import Candles, iso, read_candles
from perpsim.market.paths import read_files
from perpsim.scenarios import Scenario
from perpsim.scenarios.loading import validate

Notice = Callable[[str], None]

_GAPS_SHOWN = 3


def replace_prices(scenario: Scenario, files: Sequence[str], notice: Notice) -> Scenario:
    """The scenario with candle files in place of prices, each `[SYMBOL=]FILE` (no symbol: the first market).
    Where the first file does not cover the clock it moves there; a run is cut to what they hold."""
    for file in files:
        market, path = _market_and_path(scenario, file)
        candles = read_candles(path)
        table = scenario.model_dump()
        # What if stays what if: shocks are laid over the candles.
        table["prices"][market] = {
            "kind": "candles",
            "file": str(path),
            "shocks": table["prices"][market]["shocks"],
        }
        table["clock"].update(_clock(scenario, candles, file is files[0], notice))
        scenario = validate(table)
    return scenario


def read_noticed(scenario: Scenario, notice: Notice) -> dict[int, Candles]:
    """The candle files that a scenario names, by market; the user hears of their gaps."""
    found = read_files(scenario)
    for candles in found.values():
        gaps = candles.gaps()
        if gaps:
            shown = ", ".join(str(gap) for gap in gaps[:_GAPS_SHOWN])
            more = f" and {len(gaps) - _GAPS_SHOWN} more" if len(gaps) > _GAPS_SHOWN else ""
            count = f"{len(gaps)} gap" + ("s" if len(gaps) > 1 else "")
            notice(f"{candles.source}: {count}, filled with the last close: {shown}{more}")
    return found


def _market_and_path(scenario: Scenario, file: str) -> tuple[int, Path]:
    symbols = [market.symbol for market in scenario.markets]
    symbol, sign, path = file.partition("=")
    if sign and symbol in symbols:
        return symbols.index(symbol), Path(path)
    if sign and not Path(file).exists():
        raise UserError(f"--prices {file}: no market is called {symbol} ({', '.join(symbols)})")
    return 0, Path(file)


def _clock(scenario: Scenario, candles: Candles, may_move: bool, notice: Notice) -> dict[str, object]:
    """Start and length of a run on candles."""
    seconds = scenario.clock.seconds_per_block
    start, blocks = scenario.start, scenario.clock.blocks
    if may_move and not candles.start <= start < candles.end:
        start = candles.start
        notice(f"{candles.source} does not cover {iso(scenario.start)}: starting at {iso(start)}")
    available = (candles.end - start + seconds - 1) // seconds
    if 0 < available < blocks:
        notice(f"{candles.source} ends at {iso(candles.end)}: {available:,} of {blocks:,} blocks")
        blocks = available
    return {"start": datetime.fromtimestamp(start, UTC), "blocks": blocks}
