"""How large the fund would have had to be: the least initial sum with which a history is never short.

With F the initial sum, X the net change of the fund since then and M the highest X of the breaker's window,
the fund may pay up to

    without a breaker    F + X
    with a breaker       F + X - (1 - trip) * (F + M)

(SPECIFICATION.md, 9). It was large enough if that was never below 0 after a payment, nor below a deficit that
a keeper held against it: keepers ask for deleveraging where the fund cannot pay the whole deficit at the
mark, although closing the account on the book may cost it less. With that sum every decision and every
payment is the same, and so is the history; only stakers look at the fund otherwise. Solved for F:

    need = max(c - X)                              over payments (c = 0) and deficits c, at least 0
    need = max((c - X + (1 - trip) * M) / trip)    with a breaker

What was lost and not paid by the fund (deleveraging, charges to winners, the treasury, unpaid debt) counts as
paid at that moment. Where there was such a loss the need is an estimate, as a rule from below: a fund with
money pays for closing on the book, which is dearer than taking positions over at the mark, and whoever is not
deleveraged goes on trading.

Rounding is upwards and comes to a few millionths of a token divided by `trip`. Where stakers leave while a
breaker is on, its levels fall by the sum instead of in proportion, which bounds the need from above.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from perpsim.simulation.ledger import Ledger

WAD = 10**18
HOUR = 3600
#: hours before the present one that the breaker looks back over
LOOK_BACK = 8
#: decimals of the steps that the breaker counts in
_STEP_DECIMALS = 6


class Kind(IntEnum):
    """What a step is to the fund: it is asked to pay, a deficit is held against it, stakers take what is
    theirs, money comes in."""

    PAYMENT = 0
    DEFICIT = 1
    EXIT = 2
    INFLOW = 3


class Step(NamedTuple):
    """In the order of (`place`, `time` in seconds, kind); `amount` >= 0 in token units."""

    place: int
    time: int
    kind: Kind
    amount: int


class Deficit(NamedTuple):
    """A deficit that a keeper held against the fund as it was at the beginning of `block`; `time` (seconds)
    of the block before, `amount` in quote units."""

    block: int
    time: int
    amount: float


@dataclass(frozen=True)
class FundNeed:
    """`need`: least initial fund, quote units. `is_exhausted`: at some moment the fund could not pay what it
    was asked or expected to. `is_enough`: that never was, and nobody else bore a loss; only then is `need`
    exact."""

    need: float
    is_exhausted: bool
    is_enough: bool


def fund_need(ledger: Ledger, deficits: Iterable[Deficit], breaker: float) -> FundNeed:
    """What a run says about its fund.

    :param ledger: Of the whole run, with one pool for all markets.
    :param breaker: Fall from the peak at which payments stop, a fraction; 0: no breaker.
    """
    trip = round(breaker * WAD) or WAD
    step = 10 ** (ledger.decimals - _STEP_DECIMALS)
    rows = ledger.fund_rows
    initial = int(rows[0]["amount"]) if rows and rows[0]["kind"] == "initial" else 0
    held = list(_held(ledger, deficits))
    need = least([*_as_needed(ledger), *held], trip, step)
    room = least_room([*_as_paid(ledger), *held], initial, trip, step)
    # Where nothing is left a reward may have gone unpaid: the log does not tell.
    is_exhausted = bool(ledger.liquidations) and room <= step
    return FundNeed(need / ledger.token, is_exhausted, not is_exhausted and not ledger.unmet)


def least(steps: Iterable[Step], trip: int, step: int) -> int:
    """Least initial fund (token units) that is large enough for all steps, the initial flow left out.

    :param trip: WAD fall from the peak at which payments stop; WAD: no breaker.
    :param step: Token units in a step of the breaker.
    """
    return max((_enough(level, peak, trip, step) for level, peak in _tests(steps)), default=0)


def least_room(steps: Iterable[Step], initial: int, trip: int, step: int) -> int:
    """By how much (token units) a fund that began with `initial` could have paid more than it had to, at the
    worst moment; below 0 if it could not."""
    room = initial - _line(initial, trip, step)
    for level, peak in _tests(steps):
        room = min(room, initial + level - _line(initial + peak, trip, step))
    return room


def _enough(level: int, peak: int, trip: int, step: int) -> int:
    """Least F, at least 0, with F + level above the line of F + peak."""
    if trip == WAD:
        return max(-level, 0)
    beyond = (peak + step) * (WAD - trip) + WAD - level * WAD
    return max(beyond // trip + 1, 0)


def _line(peak: int, trip: int, step: int) -> int:
    """Books at which payments stop, as the contract rounds."""
    return _ceil_div(_ceil_div(peak, step) * step * (WAD - trip), WAD)


def _ceil_div(amount: int, divisor: int) -> int:
    return -(-amount // divisor)


def _tests(steps: Iterable[Step]) -> Iterator[tuple[int, int]]:
    """What the fund is tested on: its net change after each payment, or less a deficit; and the highest net
    change in the breaker's window."""
    # Levels as if nobody had left, so that an exit lowers past levels, too; (hour, level), falling.
    peaks: deque[tuple[int, int]] = deque()
    level = left = 0
    for _, time, kind, amount in sorted(steps):
        hour = time // HOUR
        # The level carried into an hour counts for that hour.
        _push(peaks, hour, level + left)
        if kind is Kind.EXIT:
            left += amount
            level -= amount
        elif kind is Kind.INFLOW:
            level += amount
            _push(peaks, hour, level + left)
        else:
            if kind is Kind.PAYMENT:
                level -= amount
            while peaks[0][0] < hour - LOOK_BACK:
                peaks.popleft()
            yield (level if kind is Kind.PAYMENT else level - amount), peaks[0][1] - left


def _push(peaks: deque[tuple[int, int]], hour: int, level: int) -> None:
    while peaks and peaks[-1][1] <= level:
        peaks.pop()
    peaks.append((hour, level))


_KINDS = {"cover": Kind.PAYMENT, "reward": Kind.PAYMENT, "repay": Kind.PAYMENT, "unstake": Kind.EXIT}


def _as_paid(ledger: Ledger) -> Iterator[Step]:
    """The fund's flows after the initial one, at odd places."""
    for number, row in enumerate(ledger.fund_rows):
        if row["kind"] != "initial":
            kind = _KINDS.get(row["kind"], Kind.INFLOW)
            yield Step(2 * number + 1, row["time"], kind, abs(int(row["amount"])))


def _as_needed(ledger: Ledger) -> Iterator[Step]:
    """The flows had the fund paid everything: at once, so that nothing was left to repay."""
    rows = ledger.fund_rows
    yield from (step for step in _as_paid(ledger) if rows[step.place // 2]["kind"] != "repay")
    for loss in ledger.unmet:
        yield Step(2 * loss.place, loss.time, Kind.PAYMENT, loss.amount)


def _held(ledger: Ledger, deficits: Iterable[Deficit]) -> Iterator[Step]:
    """Deficits before the flows of their blocks."""
    blocks = [row["block"] for row in ledger.fund_rows]
    for block, time, amount in deficits:
        units = math.ceil(amount * ledger.token)
        yield Step(2 * bisect_left(blocks, block), time, Kind.DEFICIT, units)
