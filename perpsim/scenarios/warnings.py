"""When a run looks for warning signs, and where each of them begins."""

from __future__ import annotations

from perpsim.scenarios.base import Count, Model, NonNegative, Positive


class Signs(Model):
    """A sign is on while its figure is beyond its threshold (`fund`: below it).

    `stress`: what a sudden move of 20 % either way would cost beyond all margins, in funds. `fund`: the fund
    as a share of open interest. `crowding`: notional that a move of 5 % would liquidate, in depths of the
    book that it would meet. `leverage`: share of the notional held that a move of 10 % would liquidate.
    `funding`: the rate as a share of its cap. `growth`: open interest against what it was `growth_hours`
    before. `speed`: share of the fund lost since its highest of the last hour.
    """

    stress: Positive = 1.0
    # BitMEX in March 2020 had more than a quarter of it, and dYdX in November 2023 a third in one market.
    fund: NonNegative = 0.02
    # On 12 March 2020 there were about five times as many longs to liquidate as bids.
    crowding: Positive = 1.0
    leverage: Positive = 0.45
    funding: Positive = 0.9
    # Before the thin market of November 2023 fell it had grown by a factor of 84 in days.
    growth: Positive = 3.0
    growth_hours: Positive = 12.0
    # A third of the fall that opens the breaker of exchanges that have one.
    speed: Positive = 0.1


class Warnings(Model):
    """`every` so many blocks (0: never) and at the end; `notable` is the share of the fund that an hour must
    cost to count as a crash."""

    every: Count = 100
    notable: Positive = 0.01
    signs: Signs = Signs()
