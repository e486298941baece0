"""What a sudden move would cost: the liquidator's waterfall over arrays, on the present book and positions.

A stress moves the marks of all markets by the same fraction at once. The book moves with them: it keeps its
shape and its distance from the mark, and nobody adds to it. Accounts under their maintenance margin are then
closed by the liquidator's rules, those furthest beyond their margin first, until nothing more can be closed.

Simpler than the contracts: fills are not cut at ticks and lots; an account is closed at the average of what
it takes from the book where its bankruptcy price moves from fill to fill; the order among accounts is fixed;
accounts in several markets are closed in all of them by the shares they have before a round; the fund's limit
is laid over the total; resting orders of the accounts themselves stay in the book; funding and the average in
the mark stand still. `tests/unit/simulation/test_stress.py` holds it to the contracts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perpsim.scenarios import Market
from perpsim.simulation.order_mirror import OrderMirror

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Rounds of liquidations: a partial one may leave an account that has to be closed further.
_ROUNDS = 6
_DUST = 1e-9


class Rules:
    """A market's margin schedule and liquidation rules, as floats for arrays of notionals (quote units)."""

    def __init__(self, market: Market) -> None:
        self.terms = market.liquidation
        self.min_size = market.min_size
        # The last tier also serves everything above its limit.
        self._limits = np.array([tier.limit for tier in market.tiers[:-1]])
        self._rates = np.array([tier.maintenance for tier in market.tiers])
        self._deductions = np.array([tier.deduction for tier in market.tiers])

    def margin(self, notional: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Maintenance margin of each notional, and the rate of its tier."""
        tier = self._limits.searchsorted(notional, side="left")
        rate = self._rates[tier]
        return notional * rate - self._deductions[tier], rate

    def closable(
        self, size: FloatArray, mark: float, equity: FloatArray, maintenance: FloatArray, rate: FloatArray
    ) -> FloatArray:
        """What a liquidation closes of positions of `size` > 0 whose accounts are under their margin."""
        terms = self.terms
        freed = rate * (1 + terms.buffer) - terms.penalty
        missing = maintenance * (1 + terms.buffer) - equity
        whole = (
            (size * mark < terms.full_below) | (equity < terms.full_threshold * maintenance) | (freed <= 0)
        )
        part = np.maximum(missing / np.where(freed > 0, mark * freed, 1.0), self.min_size)
        return np.where(whole | (part + self.min_size > size), size, part)

    def reward(self, notional: FloatArray) -> FloatArray:
        """What the keeper earns by closing `notional`."""
        terms = self.terms
        earned = np.minimum(np.maximum(terms.reward * notional, terms.reward_min), terms.reward_max)
        return np.minimum(earned, terms.penalty * notional)


class Ladder:
    """One side of a book as what its first units of size are worth together. Asks have negative prices, so
    that a higher one is better for whoever trades with either side."""

    def __init__(self, prices: FloatArray, sizes: FloatArray) -> None:
        order = np.argsort(-prices, kind="stable")
        self._prices = prices[order]
        self._falling = -self._prices
        self._sizes = np.concatenate(([0.0], np.cumsum(sizes[order])))
        self._worth = np.concatenate(([0.0], np.cumsum(sizes[order] * self._prices)))

    @classmethod
    def of(cls, book: OrderMirror, side: int) -> Ladder:
        """The orders that closing a long (`side` 1: bids) or a short (-1: asks) meets."""
        rows = np.flatnonzero(book.sizes * side > 0)
        return cls(side * book.prices[rows], np.abs(book.sizes[rows]))

    def moved(self, factor: float) -> Ladder:
        """The same ladder with all prices multiplied."""
        other = object.__new__(Ladder)
        other._prices, other._sizes, other._worth = self._prices * factor, self._sizes, self._worth * factor
        other._falling = self._falling * factor
        return other

    def down_to(self, limits: FloatArray) -> FloatArray:
        """Size at `limits` or better."""
        found: FloatArray = self._sizes[self._falling.searchsorted(-limits, side="right")]
        return found

    def worth(self, size: FloatArray) -> FloatArray:
        """What the first `size` units are worth."""
        return np.interp(size, self._sizes, self._worth)


@dataclass(frozen=True, slots=True)
class Exposure:
    """All accounts and books at one moment; quote and base units, arrays a row a market, a column an account.
    Accounts without a position are left out. `coverage` is the most that the fund would pay."""

    rules: Sequence[Rules]
    marks: FloatArray
    indices: FloatArray
    sizes: FloatArray
    equity: FloatArray
    ladders: Sequence[tuple[Ladder, Ladder]]
    coverage: float

    def at(self, move: float) -> tuple[FloatArray, FloatArray]:
        """Equity and maintenance margin of all accounts after marks have moved by the fraction `move`."""
        values = self.sizes * self.marks[:, None]
        notional = np.abs(values) * (1 + move)
        maintenance = np.sum([rule.margin(row)[0] for rule, row in zip(self.rules, notional)], axis=0)
        return self.equity + move * values.sum(axis=0), maintenance

    def largest_losses(self, move: float, accounts: int) -> float:
        """What a move costs so many accounts beyond their margin at the marks, those who lose most: with two
        the Cover-2 standard of clearing houses (CPMI-IOSCO, Principles for Financial Market Infrastructures,
        2012, principle 4). Quote units; nothing is said of what closing their positions costs on the book."""
        lost = -self.equity - move * (self.sizes * self.marks[:, None]).sum(axis=0)
        if lost.size > accounts:
            lost = np.partition(lost, -accounts)[-accounts:]
        return float(np.maximum(lost, 0.0).sum())

    def below(self, move: float) -> IntArray:
        """Columns of the accounts that a move puts under their maintenance margin."""
        equity, maintenance = self.at(move)
        return (equity < maintenance).nonzero()[0]


@dataclass(frozen=True, slots=True)
class Stress:
    """What a move comes to, quote units. `paid` by the fund for fills beyond bankruptcy prices and to keepers
    had it no limit, `gained` by it from penalties and surpluses, `left` beyond margins where the book could
    not help: what deleveraging takes from winners."""

    accounts: int
    closed: float
    paid: float
    gained: float
    left: float
    coverage: float

    @property
    def need(self) -> float:
        """All that is lost beyond the losers' margins, whoever bears it."""
        return self.paid + self.left

    @property
    def loss(self) -> float:
        """Net loss of the fund, as far as it pays."""
        return min(max(self.paid - self.gained, 0.0), self.coverage)


def stress(exposure: Exposure, move: float) -> Stress:
    """The waterfall after all marks have moved by the fraction `move` (-0.2: a fall of 20 %)."""
    hit = exposure.below(move)
    if not hit.size:
        return Stress(0, 0.0, 0.0, 0.0, 0.0, exposure.coverage)
    run = _Run(exposure, move, hit)
    for _ in range(_ROUNDS):
        if not run.round():
            break
    left = float(np.maximum(-run.equity, 0.0).sum())
    return Stress(hit.size, run.closed, run.paid, run.gained, left, exposure.coverage)


class _Run:
    """The accounts under their margin while they are being closed."""

    def __init__(self, exposure: Exposure, move: float, hit: IntArray) -> None:
        self.rules = exposure.rules
        self.marks = exposure.marks * (1 + move)
        self.indices = exposure.indices * (1 + move)
        self.sizes = exposure.sizes[:, hit].copy()
        self.equity = exposure.equity[hit] + move * (exposure.sizes[:, hit] * exposure.marks[:, None]).sum(0)
        self.ladders = [[side.moved(1 + move) for side in sides] for sides in exposure.ladders]
        self.taken = np.zeros((len(self.rules), 2))
        self.closed = self.paid = self.gained = 0.0

    def round(self) -> bool:
        """Close everybody under their margin once, in every market; False if nothing came of it."""
        margins = [
            rule.margin(np.abs(size) * mark) for rule, size, mark in zip(self.rules, self.sizes, self.marks)
        ]
        maintenance = np.sum([margin for margin, _ in margins], axis=0)
        under = self.equity < maintenance
        # What each account is worth and needs at the start of the round; fills of the round change equity.
        equity, before = self.equity.copy(), self.closed
        for market, (margin, rate) in enumerate(margins):
            for number, side in enumerate((1, -1)):
                rows = (under & (self.sizes[market] * side > 0)).nonzero()[0]
                if rows.size:
                    share = equity[rows] * margin[rows] / maintenance[rows]
                    self._close(market, number, rows, share, equity[rows], maintenance[rows], rate[rows])
        return self.closed > before + _DUST

    def _close(
        self,
        market: int,
        number: int,
        rows: IntArray,
        share: FloatArray,
        equity: FloatArray,
        maintenance: FloatArray,
        rate: FloatArray,
    ) -> None:
        """One side of a market; `share` is the part of each account's equity that its position has."""
        rule, ladder, side = self.rules[market], self.ladders[market][number], 1 - 2 * number
        terms, size = rule.terms, np.abs(self.sizes[market, rows])
        mark, index = side * self.marks[market], side * self.indices[market]
        # Worst price for what costs the fund nothing, and for what it pays.
        free, nearest = mark - terms.max_slippage * abs(mark), max(mark, index)
        covered = nearest - terms.cover_slippage * abs(nearest)
        bankrupt = mark - share / size
        limits = np.minimum(np.maximum(bankrupt, free), covered)
        start, reach = self.taken[market, number], ladder.down_to(limits)
        if reach.max() <= start:
            # Others have taken all that is good enough for anybody.
            return
        # The worse off, the nearer the limit: so the reach never shrinks, and one pass serves all in turn.
        order = (-bankrupt).argsort(kind="stable")
        rows, bankrupt = rows[order], bankrupt[order]
        wanted = rule.closable(size, abs(mark), equity, maintenance, rate)[order]
        reach = np.maximum(reach[order], start)
        total = start + np.cumsum(wanted)
        end = total + np.minimum(np.minimum.accumulate(reach - total), 0.0)
        begin = np.concatenate(([start], end[:-1]))
        self.taken[market, number] = end[-1]
        own = np.minimum(np.maximum(ladder.down_to(bankrupt), begin), end)
        worth = ladder.worth(np.array((begin, own, end)))
        good, bad = worth[1] - worth[0], worth[2] - worth[1]
        surplus = np.maximum(good - bankrupt * (own - begin), 0.0)
        cover = np.maximum(bankrupt * (end - own) - bad, 0.0)
        penalty = np.minimum(terms.penalty * np.abs(good), surplus)
        kept = penalty + (surplus - penalty) * terms.surplus_to_fund
        filled, notional = end - begin, np.abs(good + bad)
        reward = np.where(filled > 0, rule.reward(notional), 0.0)
        self.equity[rows] += good + bad - mark * filled + cover - kept
        left = size[order] - filled
        self.sizes[market, rows] = side * np.where(left > _DUST * size[order], left, 0.0)
        self.paid += float((cover + np.maximum(reward - kept, 0.0)).sum())
        self.gained += float(np.maximum(kept - reward, 0.0).sum())
        self.closed += float(notional.sum())
