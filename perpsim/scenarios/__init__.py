"""Scenario files: their models, the files that come with perpsim, and how one is found, changed, checked."""

from perpsim.scenarios.agents import (
    Agents,
    Arbitrageurs,
    Makers,
    Momentum,
    Noise,
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
from perpsim.scenarios.oracle import Fault, Feed, Oracle, Silence
from perpsim.scenarios.prices import (
    CandleFile,
    CommonJumps,
    GeometricBrownian,
    Hawkes,
    Heston,
    JumpDiffusion,
    Knots,
    Shock,
)

__all__ = [
    "Agents",
    "Arbitrageurs",
    "BaseFeeBid",
    "CandleFile",
    "Checks",
    "Clock",
    "Collateral",
    "CommonJumps",
    "EscalatingBid",
    "Expectation",
    "Fault",
    "Fee",
    "Feed",
    "Fees",
    "FixedBid",
    "Fund",
    "Funding",
    "GeometricBrownian",
    "Hawkes",
    "Heston",
    "JumpDiffusion",
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
    "Shock",
    "Silence",
    "Tier",
    "Traders",
    "Weight",
]
