"""What a scenario file may say: frozen pydantic models that refuse unknown keys.

Units in scenario files are the ones people use: prices and collateral in quote units, sizes in units of the
base asset, rates as fractions (0.005 is 0.5 %), times in seconds. `perpsim.simulation.parameters` turns them
into the integers that contracts take.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from perpsim.market.correlation import correlation_matrix
from perpsim.scenarios.agents import Agents, Traders
from perpsim.scenarios.base import Count, Model, Name, OneOrMore
from perpsim.scenarios.exchange import Collateral, Fund, Market
from perpsim.scenarios.network import Network
from perpsim.scenarios.prices import CommonJumps, Correlation, Prices, Table
from perpsim.scenarios.story import Expectation, Lever, Variation
from perpsim.scenarios.warnings import Warnings


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Clock(Model):
    """Simulated time. Block 0 is mined at `start`."""

    start: Annotated[datetime, AfterValidator(_utc)]
    blocks: Annotated[int, Field(gt=0, le=10_000_000)]
    seconds_per_block: Annotated[int, Field(gt=0, le=3600)] = 12
    # A block must hold the largest transaction that an agent sends.
    gas_limit: Annotated[int, Field(ge=8_000_000)] = 30_000_000


class Checks(Model):
    """Invariants are checked every `every` blocks (0: only at the end) and at the end.

    Each check compares `window` accounts with the contracts' views (0: all), in turn; the last one all.
    On revm a share `audit` of all transactions is executed by py-evm too (0: none, 1: all); both must agree.
    """

    every: Count = 100
    window: Count = 128
    audit: Annotated[float, Field(ge=0, le=1)] = 0.005


class Scenario(Model):
    """A whole scenario file.

    Of its texts, `description` is the story, `sources` say where the figures are from, `modelled` what of it
    is here and what is not, `levers` which parameters decide, `vary` what to try.
    """

    name: Name
    title: str
    description: str
    sources: list[str] = []
    modelled: list[str] = []
    levers: list[Lever] = []
    vary: list[Variation] = []
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    clock: Clock
    collateral: Collateral = Collateral()
    fund: Fund
    markets: Annotated[list[Market], Field(min_length=1, max_length=8)]
    prices: Prices
    correlation: Correlation = None
    common_jumps: CommonJumps | None = None
    traders: Annotated[list[Traders], OneOrMore]
    agents: Agents = Agents()
    #: without it gas costs nothing and nobody else wants any
    network: Network | None = None
    checks: Checks = Checks()
    warnings: Warnings = Warnings()
    expected: list[Expectation] = []

    @property
    def start(self) -> int:
        """Time of block 0, seconds."""
        return int(self.clock.start.timestamp())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ages = [market.max_age for market in self.markets]
        self.agents.oracle.check(ages, self.clock.seconds_per_block)
        if len(self.prices) != len(self.markets):
            raise ValueError(f"{len(self.prices)} tables of prices for {len(self.markets)} markets: one each")
        if self.agents.stakers and self.fund.staking is None:
            raise ValueError("agents.stakers: the fund takes no stakes without fund.staking")
        self._markets_exist()
        return self

    @model_validator(mode="after")
    def _correlated(self) -> Self:
        try:
            correlation_matrix(self.correlation, [not isinstance(source, Table) for source in self.prices])
        except ValueError as error:
            raise ValueError(f"correlation: {error}") from None
        return self

    def _markets_exist(self) -> None:
        agents = self.agents
        roles = (
            agents.makers,
            agents.arbitrageurs,
            agents.momentum,
            agents.noise,
            self.traders,
            agents.attackers,
        )
        used = [(type(group).__name__, group.market) for role in roles for group in role]
        used += [("baskets", leg.market) for crowd in agents.baskets for leg in crowd.legs]
        for kind, market in used:
            if market >= len(self.markets):
                last = len(self.markets) - 1
                raise ValueError(f"{kind.lower()}: market {market} does not exist, the last one is {last}")
