"""True market prices a block: what the world outside the exchange trades at.

A path is a numpy array with one float price a block. Prices become integers only where they go on chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from perpsim.errors import UserError
from perpsim.market.candles import Candles, iso

FloatArray = npt.NDArray[np.float64]

WAD = 10**18

# Shape of the gamma distribution of how slowly a part of a candle goes: the larger, the more even.
_PACE_SHAPE = 4.0


class PricePath(Protocol):
    """A source of true prices."""

    def sample(self, rng: np.random.Generator, start: int, blocks: int, seconds_per_block: int) -> FloatArray:
        """Prices of `blocks` blocks at start, start + seconds_per_block, ... (seconds)."""


def knots_to_candles(
    knots: Sequence[Sequence[float]], start: int, interval: int, source: str = "knots"
) -> Candles:
    """A table of (open, high, low, close), one row every `interval` seconds from `start`, as candles."""
    table = np.asarray(knots, dtype=np.float64)
    return Candles(
        times=start + interval * np.arange(table.shape[0], dtype=np.int64),
        open=table[:, 0].copy(),
        high=table[:, 1].copy(),
        low=table[:, 2].copy(),
        close=table[:, 3].copy(),
        interval=interval,
        source=source,
    )


@dataclass(frozen=True)
class CandlePath:
    """A path through candles: inside each a seeded bridge; a gap holds the last close."""

    candles: Candles

    def sample(self, rng: np.random.Generator, start: int, blocks: int, seconds_per_block: int) -> FloatArray:
        """One price a block. A candle that is covered in full opens, touches high and low, and closes."""
        candles = self.candles
        times = start + seconds_per_block * np.arange(blocks, dtype=np.int64)
        if blocks and (times[0] < candles.start or times[-1] >= candles.end):
            raise UserError(
                f"prices {candles.source}: cover {iso(candles.start)} to {iso(candles.end)}, "
                f"the run needs {iso(int(times[0]))} to {iso(int(times[-1]) + seconds_per_block)}"
            )
        prices = np.empty(blocks)
        owner = np.searchsorted(candles.times, times, side="right") - 1
        inside = times < candles.times[owner] + candles.interval
        prices[~inside] = candles.close[owner[~inside]]
        for candle in np.unique(owner):
            chosen = np.flatnonzero((owner == candle) & inside)
            if not chosen.size:
                continue
            # The bridge covers the whole candle also when the run begins or ends inside it.
            opening = int(candles.times[candle])
            first = -(-(opening - start) // seconds_per_block)
            last = -(-(opening + candles.interval - start) // seconds_per_block)
            whole = bridge(
                rng,
                last - first,
                float(candles.open[candle]),
                float(candles.high[candle]),
                float(candles.low[candle]),
                float(candles.close[candle]),
            )
            prices[chosen] = whole[chosen - first]
        return prices


def bridge(
    rng: np.random.Generator, steps: int, opened: float, high: float, low: float, close: float
) -> FloatArray:
    """`steps` prices from `opened` to `close` that touch `high` and `low` exactly and stay between them.

    Brownian bridges in the logarithm between four anchors, folded back at the bounds (reflection keeps the
    path continuous and its roughness). With fewer than four steps there is no room for all anchors: the
    close is kept, then the extremes, then the open.
    """
    if steps <= 0:
        return np.empty(0)
    spots = _anchors(rng, steps, opened, high, low, close)
    span = np.log(high / low) if high > low else 0.0
    path = np.empty(steps)
    noise = rng.standard_normal(steps)
    for (left, a), (right, b) in pairwise(spots):
        length = right - left
        line = np.log(a) + (np.log(b) - np.log(a)) * np.arange(length + 1) / length
        # A Brownian motion over T steps ranges over 1.6 sigma sqrt(T) on average; the ways between anchors
        # make up some of the range. With 1.9 a minute's returns spread as in real candles of March 2020.
        sigma = span / (1.9 * np.sqrt(steps))
        walk = sigma * np.concatenate(([0.0], np.cumsum(noise[left + 1 : right + 1])))
        walk -= walk[-1] * np.arange(length + 1) / length
        path[left : right + 1] = np.exp(_fold(line + walk, float(np.log(low)), float(np.log(high))))
    for position, value in spots:
        path[position] = value
    clipped: FloatArray = np.clip(path, low, high)
    return clipped


def _anchors(
    rng: np.random.Generator, steps: int, opened: float, high: float, low: float, close: float
) -> list[tuple[int, float]]:
    """(position, price) of the points to pass, ascending in position."""
    coin = rng.random()
    paces = rng.gamma(_PACE_SHAPE, size=3)
    # A rising candle more often makes its low first; a falling one its high.
    low_first = coin < (0.75 if close > opened else 0.25 if close < opened else 0.5)
    extremes = [low, high] if low_first else [high, low]
    extremes = [value for value in extremes if value not in (opened, close)]
    values = [opened, *extremes, close]
    if len(values) >= steps:
        # Too short for every anchor: the close is kept, then the extremes, then the open.
        values = values if len(values) == steps else [*extremes, close][-steps:]
        return [*enumerate(values[:-1]), (steps - 1, close)]
    # Long ways take long: the time between anchors goes with the distance, give or take each part's own pace.
    ways = np.abs(np.diff(np.log(values))) + 0.1 * np.log(high / low) + 1e-12
    shares = np.cumsum(ways * paces[: ways.size])
    positions = np.rint(shares / shares[-1] * (steps - 1)).astype(int)
    for part in range(positions.size - 1):
        least = (positions[part - 1] if part else 0) + 1
        most = steps - 1 - (positions.size - 1 - part)
        positions[part] = min(max(positions[part], least), most)
    return [(0, opened), *((int(position), value) for position, value in zip(positions, values[1:]))]


def _fold(values: FloatArray, low: float, high: float) -> FloatArray:
    """Reflect `values` at both bounds until they lie between them."""
    width = high - low
    if width <= 0:
        return np.full_like(values, low)
    offset = np.mod(values - low, 2 * width)
    folded: FloatArray = low + np.where(offset > width, 2 * width - offset, offset)
    return folded


def to_wad(price: float, tick: int) -> int:
    """`price` (quote units) as a WAD integer: the nearest multiple of `tick` (WAD), at least one tick."""
    # Through steps of 1e-9: digits beyond what a float holds would be noise that differs between platforms.
    raw = round(price * 10**9) * 10**9
    return max(tick, (raw + tick // 2) // tick * tick)
