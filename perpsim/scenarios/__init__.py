"""Scenario files: their models, the files that come with perpsim, and how one is found, changed, checked."""

from perpsim.scenarios.agents import (
    Agents,
    Arbitrageurs,
    Makers,
    Momentum,
    Noise,
    Oracle,
    Traders,
    Weight,
)
from perpsim.scenarios.exchange import Collateral, Fees, Fund, Funding, Liquidation, Market, Tier
from perpsim.scenarios.keepers import (
    BaseFeeBid,
    EscalatingBid,
    Fee,
    FixedBid,
    Keeper,
    Outage,
    RewardBid,
)
from perpsim.scenarios.model import Checks, Clock, Expectation, Scenario
from perpsim.scenarios.prices import Knots

__all__ = [
    "Agents",
    "Arbitrageurs",
    "BaseFeeBid",
    "Checks",
    "Clock",
    "Collateral",
    "EscalatingBid",
    "Expectation",
    "Fee",
    "Fees",
    "FixedBid",
    "Fund",
    "Funding",
    "Keeper",
    "Knots",
    "Liquidation",
    "Makers",
    "Market",
    "Momentum",
    "Noise",
    "Oracle",
    "Outage",
    "RewardBid",
    "Scenario",
    "Tier",
    "Traders",
    "Weight",
]
