"""Scenario files: their models, the files that come with perpsim, and how one is found, changed, checked."""

from perpsim.scenarios.agents import (
    Agents,
    Arbitrageurs,
    Keeper,
    Makers,
    Momentum,
    Noise,
    Oracle,
    Outage,
    Traders,
    Weight,
)
from perpsim.scenarios.exchange import Collateral, Fees, Fund, Funding, Liquidation, Market, Tier
from perpsim.scenarios.model import Checks, Clock, Expectation, Scenario
from perpsim.scenarios.prices import Knots

__all__ = [
    "Agents",
    "Arbitrageurs",
    "Checks",
    "Clock",
    "Collateral",
    "Expectation",
    "Fees",
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
    "Scenario",
    "Tier",
    "Traders",
    "Weight",
]
