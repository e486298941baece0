"""What a deleveraging policy did to whom, in the terms that research and risk teams use. Pure functions.

Needed: what the bankrupt accounts owed beyond their margin when book and fund were through. Taken: what
others gave up for it, measured as equity at the mark before and after. Overshoot: taken - needed.
Profit closed out: the unrealised profit of the positions that were closed, whether it was paid out or given
up; research counts all of it as taken from the winners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: an account is hedged while its net position is at most this share of its gross one
HEDGED = 0.1
TOP = 10
# What rounding may make of nothing, quote units.
_DUST = 1e-9


@dataclass(frozen=True)
class Census:
    """All accounts at one moment: arrays by account, `size` and `profit` one row a market; quote units."""

    equity: FloatArray
    maintenance: FloatArray
    size: FloatArray
    profit: FloatArray
    mark: FloatArray

    @property
    def positions(self) -> FloatArray:
        """Signed worth of each position."""
        return self.size * self.mark[:, None]


@dataclass(frozen=True)
class Deleveraged:
    """One deleveraging. `before` and `after` frame it alone: what book and fund did comes earlier.

    `by_index`: the part of the size that the list could not bear. `verdict`: whether recomputing the receipt
    found what the exchange did; None where nothing was recomputed.
    """

    account: int
    market: int
    needed: float
    quantity: float
    by_index: float
    gas: int
    verdict: bool | None
    before: Census
    after: Census


@dataclass(frozen=True)
class Outcome:
    """Figures of one policy. Money in quote units, shares as fractions, None where there is nothing to
    measure. `burden`: what each account gave up, indexed by account."""

    policy: str
    deleveragings: int
    needed: float
    taken: float
    profit_closed: float
    touched: int
    largest: float
    largest_share: float | None
    gini: float | None
    top_share: float | None
    losers_share: float | None
    survival: float | None
    kept: float | None
    hedges: int
    hedges_broken: int
    pushed_under: int
    by_index: float
    gas: int
    verdict: bool | None
    burden: FloatArray

    @property
    def overshoot(self) -> float:
        """What was taken beyond what was needed."""
        return self.taken - self.needed


def outcome(policy: str, done: list[Deleveraged]) -> Outcome:
    """All figures of the deleveragings that a policy decided, in the order in which they happened."""
    start, end = done[0].before, done[-1].after
    burden = np.zeros(start.equity.size)
    closed = np.zeros(start.equity.size)
    moved = np.zeros(start.equity.size, dtype=np.bool_)
    winning = np.zeros(start.equity.size)
    for one in done:
        others = np.arange(burden.size) != one.account
        given = np.where(others, np.maximum(one.before.equity - one.after.equity, 0.0), 0.0)
        burden += np.where(given > _DUST, given, 0.0)
        held, left = np.abs(one.before.size[one.market]), np.abs(one.after.size[one.market])
        part = np.divide(held - left, held, out=np.zeros_like(held), where=others & (held > 0))
        closed += part * np.maximum(one.before.profit[one.market], 0.0)
        moved |= (part > _DUST) | (given > _DUST)
        # Who wins stands on the other side of the bankrupt: of the first that was there.
        side = -np.sign(one.before.size[one.market][one.account])
        opposite = np.sign(start.size[one.market]) == side
        winning = np.maximum(winning, np.where(opposite, start.profit[one.market], 0.0))
    winners = np.flatnonzero(winning > 0)
    borne = burden[winners]
    taken, quantity = float(burden.sum()), sum(one.quantity for one in done)
    best = int(winners[np.argmax(winning[winners])]) if winners.size else 0
    held_by_best = float(np.abs(start.positions[:, best]).sum())
    hedged = hedges(start)
    broken = hedged & ~_hedged(end.positions, np.abs(start.positions).sum(axis=0))
    verdicts = [one.verdict for one in done if one.verdict is not None]
    under = (end.equity < end.maintenance) & ~(start.equity < start.maintenance)
    return Outcome(
        policy=policy,
        deleveragings=len(done),
        needed=sum(one.needed for one in done),
        taken=taken,
        profit_closed=float(closed.sum()),
        touched=int(moved.sum()),
        largest=float(burden.max(initial=0.0)),
        largest_share=float((borne / winning[winners]).max()) if winners.size else None,
        gini=gini(borne),
        top_share=top_share(borne),
        losers_share=float(burden[winning <= 0].sum()) / taken if taken > 0 else None,
        survival=float(np.abs(end.positions[:, best]).sum()) / held_by_best if held_by_best else None,
        kept=1 - float(burden[best]) / float(winning[best]) if winners.size else None,
        hedges=int(hedged.sum()),
        hedges_broken=int(broken.sum()),
        pushed_under=int(under.sum()),
        by_index=sum(one.by_index for one in done) / quantity if quantity else 0.0,
        gas=sum(one.gas for one in done),
        verdict=all(verdicts) if verdicts else None,
        burden=burden,
    )


def gini(values: FloatArray) -> float | None:
    """0: all bear the same, towards 1: one bears it all; None where nobody bears anything."""
    total = float(values.sum())
    if total <= 0:
        return None
    ranks = np.arange(1, values.size + 1)
    return float((2 * ranks - values.size - 1).dot(np.sort(values)) / (values.size * total))


def top_share(values: FloatArray, count: int = TOP) -> float | None:
    """What the `count` largest bear of all; None where nobody bears anything."""
    total = float(values.sum())
    return float(np.sort(values)[-count:].sum()) / total if total > 0 else None


def lorenz(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of the accounts, those who bear least first, and what they bear of all."""
    summed = np.concatenate(([0.0], np.cumsum(np.sort(values))))
    shares = summed / summed[-1] if summed[-1] > 0 else summed
    return np.linspace(0.0, 1.0, summed.size), shares


def hedges(census: Census) -> npt.NDArray[np.bool_]:
    """Accounts that hold several positions which cancel out: delta-neutral pairs."""
    several = (census.size != 0).sum(axis=0) > 1
    return several & _hedged(census.positions, np.abs(census.positions).sum(axis=0))


def _hedged(positions: FloatArray, gross: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether what is left net is small against `gross`."""
    small: npt.NDArray[np.bool_] = np.abs(positions.sum(axis=0)) <= HEDGED * gross
    return small
