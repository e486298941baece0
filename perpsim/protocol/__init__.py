"""The exchange as Python sees it: parameters, deployment, contracts."""

from __future__ import annotations

from perpsim.protocol.contract import Contract
from perpsim.protocol.deploy import DEPLOYER, Protocol, deploy, deploy_keeper_batch, set_deleverage
from perpsim.protocol.params import (
    BY_INDEX,
    DEFAULT_TIERS,
    POLICIES,
    DeleverageParams,
    FundingTerms,
    LiquidationParams,
    MarketParams,
    MarketTerms,
    ProtocolParams,
    Tier,
    VaultParams,
)
from perpsim.protocol.units import A_ONE, K_ONE, MAX_UINT, WAD, scaled, wad

__all__ = [
    "A_ONE",
    "BY_INDEX",
    "DEFAULT_TIERS",
    "DEPLOYER",
    "K_ONE",
    "MAX_UINT",
    "POLICIES",
    "WAD",
    "Contract",
    "DeleverageParams",
    "FundingTerms",
    "LiquidationParams",
    "MarketParams",
    "MarketTerms",
    "Protocol",
    "ProtocolParams",
    "Tier",
    "VaultParams",
    "deploy",
    "deploy_keeper_batch",
    "scaled",
    "set_deleverage",
    "wad",
]
